// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzzes [`fuzz::gdb`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::limits::keep(|| fuzz::gdb(bytes)));
