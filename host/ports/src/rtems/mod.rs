// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS as a guest: its BSP is built from a user's source tree, which stays as it is, with a user's tools.

pub mod build;
pub mod command;
pub mod compare;
pub mod folders;
pub mod group;
pub mod host;
mod lacking;
pub mod location;
mod output;
pub mod reason;
pub mod results;
pub mod rust_example;
pub mod samples;
mod spec;
pub mod suite;
mod tree;
pub mod unbuilt;
mod verdict;
pub mod version;
mod waf;
