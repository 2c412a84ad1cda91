// SPDX-License-Identifier: MIT OR Apache-2.0
//! An image with what backends in ring 0 stand on, and no such backend.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: main, backends: [] }

fn main() {}
