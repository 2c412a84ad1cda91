// SPDX-License-Identifier: MIT OR Apache-2.0
//! All registers of the processor, loaded, held for a while, and stored again.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use x86::*;
