// SPDX-License-Identifier: MIT OR Apache-2.0
//! The third way to supply host functions: a library, linked at build time.
//!
//! `library/host.c` defines `pv_console_write` and `pv_shutdown` strongly, so they replace the weak thunks, and a call
//! is a plain call; on AArch64 it goes by the slot, where start-up puts the library's function. `pv_clock_now` stays in
//! the jump table, unbound: calling it ends the guest with a message.
#![no_std]
#![no_main]

use paravirt_bsp::clock::Instant;
use paravirt_bsp::{println, start};

paravirt_bsp::image! { main: main }

fn main() {
    println!("Hello through a host library");
    if start::arguments().next() == Some("clock") {
        println!("the clock says {} ns", Instant::now().as_nanos());
    }
}
