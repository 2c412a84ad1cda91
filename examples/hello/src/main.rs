// SPDX-License-Identifier: MIT OR Apache-2.0
//! The smallest guest: a line on the console, and out.
#![no_std]
#![no_main]

use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen, pok] }

fn main() {
    println!("Hello from a paravirtualized guest");
}
