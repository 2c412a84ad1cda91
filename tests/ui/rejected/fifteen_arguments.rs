// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prototype word holds 14.
paravirt_bsp::l4_external_func! {
    fn board_many(
        a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8
    );
}

fn main() {}
