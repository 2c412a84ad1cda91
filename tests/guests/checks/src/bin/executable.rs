// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks for memory that it may execute, and runs code that it writes there.
#![no_std]
#![no_main]

use guest_checks::written_code;
use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }
paravirt_bsp::executable_memory!();

fn main() {
    println!("code in free memory gives {}", written_code());
}
