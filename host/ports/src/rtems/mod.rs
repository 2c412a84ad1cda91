// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS as a guest: its BSP is built from a user's source tree, which stays as it is, with a user's tools.

pub mod bsp;
mod build;
pub mod command;
pub mod folders;
mod group;
pub mod host;
mod lacking;
pub mod location;
mod results;
pub mod samples;
mod sources;
mod waf;
