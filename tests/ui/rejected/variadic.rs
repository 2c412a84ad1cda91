// SPDX-License-Identifier: MIT OR Apache-2.0
//! A variadic function has no prototype to compare.
paravirt_bsp::l4_external_func! {
    fn board_fine(number: u32) -> i32;
    fn board_print(format: *const u8, ...) -> i32;
}

fn main() {}
