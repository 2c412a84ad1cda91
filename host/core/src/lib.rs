// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every host of a paravirtualized guest needs, whatever is below the host: a process, a microkernel, nothing.
//!
//! | module | |
//! |---|---|
//! | [`image`] | reads a guest's ELF file, which nobody vouches for: what it asks for, who it says it is, what is to be loaded |
//! | [`provides`], [`prototype`], [`prototype_match`] | compare that with what a host offers |
//! | [`bind`](mod@bind) | puts fixed addresses into a copy |
//! | [`memory`], [`layout`] | map the guest's memory, by whatever maps memory below, and say what lies where; check every access |
//! | [`start_info`] | what the guest is told when it is entered |
//! | [`l4rtems`] | the same for L4RTEMS images, and how these call |
//! | [`page`], [`lines`], [`upcall`] | the virtual processor's state, and how it is interrupted |
//! | [`clock`] | guest time by a counter, against the host's clock |
//! | [`fault`] | what a guest did wrong, in words |
//! | [`text`] | makes what others wrote fit to be printed |
//! | [`guest`], [`timers`] | run a guest of the host's own width in the host's own address space |
//!
//! The crate needs `core` and `alloc` only. Its feature `std` reads images from files.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod bind;
pub mod clock;
pub mod fault;
#[cfg(any(target_arch = "aarch64", target_arch = "x86", target_arch = "x86_64"))]
mod gate;
#[cfg(any(target_arch = "aarch64", target_arch = "x86", target_arch = "x86_64"))]
pub mod guest;
pub mod image;
pub mod l4rtems;
pub mod layout;
pub mod memory;
pub mod page;
pub mod prototype;
pub mod prototype_match;
pub mod provides;
pub mod start_info;
pub mod text;
pub mod upcall;

pub use paravirt_vcpu::{lines, timers};
