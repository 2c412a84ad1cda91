// SPDX-License-Identifier: MIT OR Apache-2.0
//! That a function is safe is a promise, which takes the word `unsafe`.
paravirt_bsp::l4_external_func! {
    fn board_power_off() -> !;
    pub safe fn board_read(buffer: *mut u8, length: usize) -> isize;
}

fn main() {}
