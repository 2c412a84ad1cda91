// SPDX-License-Identifier: MIT OR Apache-2.0
//! Not every bit pattern is a `bool`.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32, on: bool) -> i32;
}

fn main() {}
