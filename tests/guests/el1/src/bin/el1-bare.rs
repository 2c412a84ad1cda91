// SPDX-License-Identifier: MIT OR Apache-2.0
//! Says hello on a machine without a hypervisor, and on no other.
#![no_std]
#![no_main]

use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare] }

fn main() {
    println!("Hello from a machine");
}
