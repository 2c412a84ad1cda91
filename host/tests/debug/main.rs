// SPDX-License-Identifier: MIT OR Apache-2.0
//! What helps to find out what a guest does, or why it ended as it did, with real guests and real debuggers.
//!
//! The guests come from `cargo xtask guests`, as those of the tests of the process host.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod core;
mod core_in_qemu;
mod coverage;
mod gdb;
#[path = "../process/guests.rs"]
#[allow(dead_code, reason = "it is shared with other tests, which need more of it")]
mod guests;
mod late;
mod protocol;
mod report;
mod stacks;
mod trace;
