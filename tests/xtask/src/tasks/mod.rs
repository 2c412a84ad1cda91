// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tasks, one in each file.

pub mod guests;
