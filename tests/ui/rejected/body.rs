// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host supplies the body.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32) -> i32 {
        0
    }
}

fn main() {}
