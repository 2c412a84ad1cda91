// SPDX-License-Identifier: MIT OR Apache-2.0
//! A raw identifier is no symbol.
paravirt_bsp::l4_external_func! {
    fn r#match(number: u32) -> i32;
}

fn main() {}
