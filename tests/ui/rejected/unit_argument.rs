// SPDX-License-Identifier: MIT OR Apache-2.0
//! `()` is a result, not an argument.
paravirt_bsp::l4_external_func! {
    fn board_lamp(nothing: ());
}

fn main() {}
