// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has a pointer in it and may not be every bit pattern, or is the address of code.
use core::ptr::NonNull;

paravirt_bsp::l4_external_func! {
    fn board_option(handler: Option<extern "C" fn(i32)>);
    fn board_non_null(buffer: NonNull<u8>);
    fn board_reference(buffer: &u8);
    fn board_handler() -> extern "C" fn();
}

fn main() {}
