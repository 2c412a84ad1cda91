// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host could return a bool that is none.
paravirt_bsp::l4_external_func! {
    fn board_is_on(number: u32) -> bool;
}

fn main() {}
