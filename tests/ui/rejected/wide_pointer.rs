// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pointer to a slice is two words.
paravirt_bsp::l4_external_func! {
    fn board_send(bytes: *const [u8]) -> isize;
}

fn main() {}
