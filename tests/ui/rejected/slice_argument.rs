// SPDX-License-Identifier: MIT OR Apache-2.0
//! A slice is no C type.
paravirt_bsp::l4_external_func! {
    fn board_send(bytes: &[u8]) -> isize;
}

fn main() {}
