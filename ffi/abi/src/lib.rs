// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ABI between a paravirtualized guest and its host, version 1.
//!
//! Everything that both sides must agree on lives here and nowhere else: the names of the external function
//! sections, the prototype word, the identity note, the start info, the vCPU page, the upcall frame, the list of
//! interface functions, line, timer and error numbers. The crate depends on neither side.
//!
//! Version 1 is frozen. What the numbers mean, and what each side may count on, is `README.md` beside this crate's
//! manifest; `golden/` there holds every value, and a test compares.
//!
//! All numbers are little-endian. Addresses are `u64` on every architecture, so that one host program reads guests
//! of both widths. Sizes are in bytes and times in nanoseconds.
#![no_std]

pub mod aarch64;
pub mod error;
pub mod interface;
pub mod l4rtems;
pub mod line;
pub mod note;
pub mod sections;
pub mod shutdown;
pub mod signature;
pub mod start;
pub mod upcall;
pub mod vcpu;

#[doc(hidden)]
pub use l4rtems as legacy;

/// Holds a panic handler, which is not there with the feature `hosted`: then the standard library brings one.
#[cfg(not(feature = "hosted"))]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    ($($handler:item)*) => { $($handler)* };
}
#[cfg(feature = "hosted")]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    ($($handler:item)*) => {};
}

/// Version of this ABI. A host refuses a guest whose identity note carries another one.
pub const VERSION: u32 = 1;
