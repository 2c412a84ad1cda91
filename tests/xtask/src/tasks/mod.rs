// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tasks.

pub mod build;
pub mod demo;
pub mod dist;
pub mod install;
pub mod lint;
pub mod long;
pub mod port;
pub mod setup;
pub mod test;
