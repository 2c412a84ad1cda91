// SPDX-License-Identifier: MIT OR Apache-2.0
//! On i386, hosts take the arguments of these functions from registers.
paravirt_bsp::l4_external_func! {
    fn l4rtems_outch(character: i8);
}

fn main() {}
