// SPDX-License-Identifier: MIT OR Apache-2.0
//! The address of code is not data.
paravirt_bsp::l4_external_func! {
    fn board_call_back(handler: extern "C" fn());
}

fn main() {}
