// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has the layout of a number and is none.
use core::num::NonZeroU32;
use core::sync::atomic::AtomicU32;

#[repr(u8)]
enum Color {
    Red,
}

#[repr(transparent)]
struct Number(u32);

paravirt_bsp::l4_external_func! {
    fn board_color(color: Color);
    fn board_not_zero(number: NonZeroU32);
    fn board_atomic(number: AtomicU32);
    fn board_number() -> Number;
    fn board_array(array: [u8; 4]);
}

fn main() {}
