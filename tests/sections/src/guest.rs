// SPDX-License-Identifier: MIT OR Apache-2.0
//! Building guests in Rust.
