// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as partitions of the POK kernel: a node is built from a user's source tree, which stays as it is, and runs
//! under QEMU.

pub mod checks;
pub mod command;
mod image;
mod kernel;
pub mod node;
mod qemu;
pub mod tree;
