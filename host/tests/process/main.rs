// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs real guests on the Linux process host, through the program and through the library, and in QEMU.
//!
//! The guests come from `cargo xtask guests`; `PARAVIRT_GUESTS` names their folder, `target/guests` by default.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod calls;
mod clients;
mod colours;
mod console;
mod domain;
mod embedding;
mod emulator;
mod fake_qemu;
mod faults;
mod gates;
mod guests;
mod l4rtems;
mod pointers;
mod policies;
mod program;
mod refusals;
mod sandbox;
mod signals;
mod terminal;
mod testing;
mod time;
mod ways_of_time;
