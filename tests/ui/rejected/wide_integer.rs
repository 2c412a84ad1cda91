// SPDX-License-Identifier: MIT OR Apache-2.0
//! 128 bits are two arguments.
paravirt_bsp::l4_external_func! {
    fn board_serial(number: u128);
}

fn main() {}
