// SPDX-License-Identifier: MIT OR Apache-2.0
//! An enum has no layout in C.
paravirt_bsp::l4_external_func! {
    fn board_number() -> Option<u32>;
}

fn main() {}
