// SPDX-License-Identifier: MIT OR Apache-2.0
//! What helps to find out what a guest does, or why it ended as it did: its memory, its tasks.
//!
//! Everything here is the guest's, which nobody vouches for: what is read of it takes bounded time and memory.

pub mod backtrace;
mod budget;
#[cfg(process_host)]
pub mod core;
#[cfg(process_host)]
pub mod gdb;
pub mod information;
pub mod memory;
pub mod registers;
#[cfg(process_host)]
pub mod stacks;
pub mod tasks;
pub mod unwind;
