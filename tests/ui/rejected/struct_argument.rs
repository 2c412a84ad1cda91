// SPDX-License-Identifier: MIT OR Apache-2.0
//! A struct is passed by pointer.
#[repr(C)]
struct Lamp {
    number: u32,
}

paravirt_bsp::l4_external_func! {
    fn board_lamp(lamp: Lamp);
}

fn main() {}
