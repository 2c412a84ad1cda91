// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every function is `unsafe extern "C"` anyway.
paravirt_bsp::l4_external_func! {
    pub unsafe extern "C" fn board_lamp(number: u32) -> i32;
}

fn main() {}
