// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state of a vCPU that is the same whoever keeps it: a backend in the guest, or a host.
//!
//! The types here know neither a clock nor a page nor a way to interrupt. They are given what they need, so that one
//! test is about all who use them. What the states mean for a guest is `../abi/README.md`, beside the crate of the ABI.
#![no_std]
#![forbid(unsafe_code)]

pub mod lines;
pub mod timers;
