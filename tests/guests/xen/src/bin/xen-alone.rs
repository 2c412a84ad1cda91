// SPDX-License-Identifier: MIT OR Apache-2.0
//! An image that Xen can enter, but that carries no backend for it.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: main, backends: [bare] }

fn main() {}
