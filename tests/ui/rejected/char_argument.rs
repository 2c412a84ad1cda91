// SPDX-License-Identifier: MIT OR Apache-2.0
//! Not every bit pattern is a `char`.
paravirt_bsp::l4_external_func! {
    fn board_put(letter: char);
}

fn main() {}
