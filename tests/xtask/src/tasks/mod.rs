// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tasks, one in each file.

pub mod bench;
pub mod demo;
pub mod fuzz;
pub mod guests;
pub mod hosts;
pub mod install;
pub mod lint;
pub mod port;
pub mod setup;
pub mod soak;
pub mod test;
