// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host has no methods.
paravirt_bsp::l4_external_func! {
    fn board_lamp(&self, number: u32);
}

fn main() {}
