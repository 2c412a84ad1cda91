// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each of them is named.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32, on: bool, name: &str);
    fn board_fine(number: u32);
}

fn main() {}
