// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calling needs `unsafe`.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: u32) -> i32;
}

pub fn call() -> i32 {
    board_lamp(1)
}

fn main() {}
