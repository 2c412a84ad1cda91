// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs real guests on the Linux process host, through the program and through the library, and in QEMU.
//!
//! The guests come from `cargo xtask guests`; `PARAVIRT_GUESTS` names their folder, `target/guests` by default. Where they are
//! missing, a test says so and is skipped.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod calls;
mod compat;
mod console;
mod emulator;
mod fake_qemu;
mod faults;
mod guests;
mod program;
mod refusals;
mod terminal;
mod time;
