// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host side of the RTEMS paravirtualization layer.
//!
//! [`image`] reads a guest's ELF file, which nobody vouches for: what it asks for, who it says it is, what is to be
//! loaded. [`provides`] knows what hosts offer it. The program `pvhost` shows that on the command line.

pub mod audit;
pub mod bind;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod emulator;
pub mod image;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod process;
pub mod prototype;
pub mod provides;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod terminal;
