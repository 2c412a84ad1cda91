// SPDX-License-Identifier: MIT OR Apache-2.0
//! One address cannot serve many types.
paravirt_bsp::l4_external_func! {
    fn board_lamp<T>(value: T);
}

fn main() {}
