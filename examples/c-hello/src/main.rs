// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust side of a guest in C: it names the backends, and `hello.c` has `paravirt_main`.
#![no_std]
#![no_main]

paravirt_bsp::image! { backends: [linux_syscall] }
