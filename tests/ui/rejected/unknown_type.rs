// SPDX-License-Identifier: MIT OR Apache-2.0
//! A type that is not in scope is the compiler's business.
paravirt_bsp::l4_external_func! {
    fn board_lamp(number: Lamp) -> i32;
}

fn main() {}
