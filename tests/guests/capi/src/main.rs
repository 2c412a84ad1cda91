// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust side of a guest in C that uses the C API: it names the backends, and brings the API's bodies in.
#![no_std]
#![no_main]

use paravirt_capi as _;

paravirt_bsp::image! { backends: [linux_syscall] }
