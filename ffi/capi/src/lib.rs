// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wrapped API for C: the functions that `ffi/include/paravirt/*.h` declare.
//!
//! Each function is a wrapper of the function of that name in `paravirt-bsp`, whose documentation holds. Errors are
//! `PV_ERROR_*`, negative numbers.
#![no_std]

use paravirt_bsp::Error;

pub mod clock;
pub mod console;
pub mod cpu;
pub mod irq;
pub mod power;
pub mod start;
pub mod timer;

/// The count, or the error's number.
fn count(result: Result<usize, Error>) -> isize {
    match result {
        Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
        Err(error) => error.number() as isize,
    }
}
