// SPDX-License-Identifier: MIT OR Apache-2.0
//! A declaration ends with a semicolon.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32) -> i32
}

fn main() {}
