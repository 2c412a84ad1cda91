// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example `hello` with one backend. Its size is that of the layer.
#![no_std]
#![no_main]

use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

fn main() {
    println!("Hello from a paravirtualized guest");
}
