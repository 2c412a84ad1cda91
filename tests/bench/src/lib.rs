// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instruments of the benchmarks: instruction counters, guests and baselines to run, the table.
//!
//! `cargo bench -p bench` prints the table. Every number stands beside a baseline that was measured in the same run,
//! because only ratios can be compared between machines.

pub mod baseline;
pub mod callgrind;
pub mod counts;
pub mod far_call;
pub mod guest;
pub mod runs;
pub mod size;
pub mod starts;
pub mod step;
pub mod table;
