// SPDX-License-Identifier: MIT OR Apache-2.0
//! `libparavirt_guest.a`: what a guest in C or C++ is linked with that knows nothing of Rust. `cargo xtask install`
//! installs it with the headers that say what is in it.
//!
//! The C files have objects of their own, so a guest that brings `paravirt_main` has it instead of the library's, which
//! calls `main`.
#![no_std]

// Refers to the crate, so that its functions enter the library.
pub use paravirt_capi as capi;

#[cfg(target_arch = "x86_64")]
paravirt_bsp::image! { backends: [linux_syscall, bare, xen] }
#[cfg(target_arch = "x86")]
paravirt_bsp::image! { backends: [linux_syscall, bare, pok, xen] }
