// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints the jump table as the guest sees it. With the argument `call`, calls a function that no host provides.
#![no_std]
#![no_main]

use paravirt_bsp::external::Table;
use paravirt_bsp::{l4_external_func, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

l4_external_func! {
    /// Nobody provides this.
    fn check_missing(number: u32) -> i32;
}

fn main() {
    for entry in Table::of_image().entries() {
        let state = if entry.is_bound() { "bound" } else { "not bound" };
        let name = entry.name().to_str().unwrap_or("?");
        match entry.signature() {
            Ok(signature) => println!("{name} {state}: {signature}"),
            Err(error) => println!("{name} {state}: {error}"),
        }
    }
    if start::arguments().next() == Some("call") {
        // SAFETY: nobody provides the function, so the call ends the guest.
        let result = unsafe { check_missing(1) };
        println!("returned {result}");
    }
}
