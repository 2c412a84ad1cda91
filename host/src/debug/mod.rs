// SPDX-License-Identifier: MIT OR Apache-2.0
//! What helps to find out what a guest does, or why it ended as it did: its memory, its tasks.
//!
//! Everything here is the guest's, which nobody vouches for: what is read of it takes bounded time and memory.

pub mod backtrace;
mod budget;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod core;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod gdb;
pub mod information;
pub mod memory;
pub mod registers;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod stacks;
pub mod tasks;
pub mod unwind;
