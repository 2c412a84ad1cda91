// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every host of a paravirtualized guest needs, whatever is below the host: a process, a microkernel, nothing.
//!
//! [`image`] reads a guest's ELF file, which nobody vouches for: what it asks for, who it says it is, what is to be
//! loaded. [`provides`] compares that with what a host offers; [`bind`](mod@bind) puts fixed addresses into a copy.
//!
//! The crate needs `core` and `alloc` only. Its feature `std` reads images from files.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod bind;
pub mod explain;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod gate;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub mod guest;
pub mod image;
pub mod layout;
pub mod legacy;
pub mod lines;
pub mod memory;
pub mod page;
pub mod prototype;
pub mod provides;
mod spelling;
pub mod start_info;
pub mod timers;
pub mod upcall;
