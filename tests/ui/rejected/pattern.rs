// SPDX-License-Identifier: MIT OR Apache-2.0
//! An argument has a name.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32, (low, high): (u32, u32)) -> i32;
}

fn main() {}
