// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as tasks of L4Re on the Fiasco microkernel: our package is built beside a user's trees, which stay as they
//! are, and runs under QEMU.

pub mod command;
mod console;
mod device;
pub mod extra;
mod faults;
mod image;
mod l4rtems;
mod machine;
pub mod measure;
mod overlay;
mod package;
mod qemu;
pub mod runs;
pub mod tree;

pub use machine::{Machine, Task};
