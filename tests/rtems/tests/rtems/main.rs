// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust part of the RTEMS BSP, first without RTEMS, then with it.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod emulated;
mod headers;
mod kernel;
mod library;
mod real;
mod spec;
