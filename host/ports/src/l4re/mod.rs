// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as tasks of L4Re on the Fiasco microkernel: our package is built beside a user's trees, which stay as they
//! are, and runs under QEMU.

pub mod checks;
pub mod command;
mod image;
pub mod machine;
mod measure;
mod overlay;
pub mod tree;
