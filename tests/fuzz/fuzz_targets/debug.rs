// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzzes [`fuzz::debug`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::limits::keep(|| fuzz::debug(bytes)));
