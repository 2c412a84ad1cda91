// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line of the example `hello`, and when it was out: `first_line PICOSECONDS MILLICYCLES` since the machine's start,
//! as lines of `bench-hosts`. For machines whose time follows the instructions. `baseline/aarch64.S` of the benchmarks
//! does the same without the layer.
#![no_std]
#![no_main]

use guest_bench::counter_of_machine;
use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

fn main() {
    println!("Hello from a paravirtualized guest");
    // At one instruction a cycle, which nobody needs in ps.
    println!("first_line 0 {}", counter_of_machine() * 1000);
}
