// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every host of a paravirtualized guest needs, whatever is below the host: a process, a microkernel, nothing.
//!
//! | module | |
//! |---|---|
//! | [`image`] | reads a guest's ELF file, which nobody vouches for: what it asks for, who it says it is, what is to be loaded |
//! | [`provides`], [`prototype`], [`agreement`] | compare that with what a host offers |
//! | [`bind`](mod@bind) | puts fixed addresses into a copy |
//! | [`memory`], [`layout`] | map the guest's memory, by whatever maps memory below, and say what lies where; check every access |
//! | [`start_info`] | what the guest is told when it is entered |
//! | [`legacy`] | the same for images of 2013, and how these call |
//! | [`page`], [`lines`], [`upcall`] | the virtual processor's state, and how it is interrupted |
//! | [`clock`] | guest time by a counter, against the host's clock |
//! | [`explain`] | what a guest did wrong, in words |
//! | [`text`] | makes what others wrote fit to be printed |
//! | [`guest`], [`timers`] | run a guest of the host's own width in the host's own address space |
//!
//! The crate needs `core` and `alloc` only. Its feature `std` reads images from files.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod agreement;
pub mod bind;
pub mod clock;
pub mod explain;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod gate;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub mod guest;
pub mod image;
pub mod layout;
pub mod legacy;
pub mod memory;
pub mod page;
pub mod prototype;
pub mod provides;
mod spelling;
pub mod start_info;
pub mod text;
pub mod upcall;

pub use paravirt_vcpu::{lines, timers};
