// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds what this workspace is made of, for whoever runs it: `cargo xtask`, the commands for RTEMS, POK and L4Re
//! (`host/ports`), and tests.

pub mod aarch64;
mod apt;
pub mod arch;
pub mod c_host;
pub mod clang_format;
pub mod command;
pub mod emulators;
pub mod example;
pub mod files;
pub mod fuzz;
pub mod guests;
pub mod hosts;
pub mod interface;
pub mod packages;
pub mod static_library;
pub mod sysroot;
pub mod tally;
pub mod toolchain;
pub mod tools;
pub mod vm_library;
pub mod workspace;
