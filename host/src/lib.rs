// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host side of the RTEMS paravirtualization layer.
//!
//! It stands on [`paravirt_host_core`], which needs no operating system: [`image`] reads a guest's ELF file, which
//! nobody vouches for: what it asks for, who it says it is, what is to be loaded. [`provides`] knows what hosts offer
//! it, [`header`] what they have to. The program `pvhost` shows that on the command line.

pub use paravirt_host_core::{bind, fault, image, prototype, text};

pub mod audit;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod coverage;
pub mod debug;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod emulator;
pub mod header;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod process;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod profile;
pub mod provides;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod streams;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod terminal;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod testing;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod trace;
