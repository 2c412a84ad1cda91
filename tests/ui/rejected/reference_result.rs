// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host could return a dangling reference.
paravirt_bsp::l4_external_func! {
    fn board_name() -> &'static str;
}

fn main() {}
