// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust part of the RTEMS BSP, without RTEMS.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod headers;
mod kernel;
mod library;
mod sources;
mod spec;
