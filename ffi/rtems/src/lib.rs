// SPDX-License-Identifier: BSD-2-Clause
//! The Rust part of the RTEMS BSP family `paravirt`.
//!
//! RTEMS' kernel and the C files of `bsp/` call the functions here and those of `paravirt-capi`; nothing else crosses
//! between the two compilers. Everything is C ABI.
#![no_std]

mod interrupts;

// Refers to the crate, so that its functions enter the library.
pub use paravirt_capi as capi;

paravirt_bsp::image! { backends: [linux_syscall, bare, pok, xen] }
