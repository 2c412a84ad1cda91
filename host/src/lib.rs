// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host side of the RTEMS paravirtualization layer.
//!
//! It stands on [`paravirt_host_core`], which needs no operating system: [`image`] reads a guest's ELF file, which
//! nobody vouches for: what it asks for, who it says it is, what is to be loaded. [`provides`] knows what hosts offer
//! it, [`header`] what they have to. The program `pvhost` shows that on the command line.

pub use paravirt_host_core::{bind, fault, image, prototype, text};

pub mod audit;
#[cfg(process_host)]
pub mod coverage;
pub mod debug;
#[cfg(process_host)]
pub mod emulator;
pub mod header;
#[cfg(process_host)]
pub mod process;
#[cfg(process_host)]
pub mod profile;
pub mod provides;
pub mod shell;
#[cfg(process_host)]
pub mod streams;
#[cfg(process_host)]
mod terminal;
#[cfg(process_host)]
pub mod testing;
#[cfg(process_host)]
pub mod trace;
