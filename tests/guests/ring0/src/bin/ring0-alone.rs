// SPDX-License-Identifier: MIT OR Apache-2.0
//! An image that can be entered in ring 0, but carries no backend.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: main, backends: [] }

fn main() {}
