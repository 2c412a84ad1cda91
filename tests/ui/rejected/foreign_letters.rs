// SPDX-License-Identifier: MIT OR Apache-2.0
//! Assemblers and C compilers take ASCII.
paravirt_bsp::l4_external_func! {
    fn board_größe(number: u32) -> i32;
}

fn main() {}
