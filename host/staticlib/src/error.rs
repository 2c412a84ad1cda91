// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors: a number for the caller, a message for people.

use core::fmt;

use alloc::string::{String, ToString};

use crate::environment;

/// The numbers `PVH_ERROR_*`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Number {
    Argument = -1,
    Image = -2,
    Fit = -3,
    Memory = -4,
    Busy = -5,
    NotGuest = -6,
}

/// An error of a function of the API.
#[derive(Debug)]
pub struct Error {
    number: Number,
    message: String,
}

impl Error {
    pub fn new(number: Number, message: impl fmt::Display) -> Self {
        Self {
            number,
            message: message.to_string(),
        }
    }

    pub fn argument(message: impl fmt::Display) -> Self {
        Self::new(Number::Argument, message)
    }
}

/// The result of a function of the API, which says what went wrong. Without an environment there is no memory, not even
/// for a message, and the function is not called.
pub fn number(function: impl FnOnce() -> Result<(), Error>) -> i32 {
    if !environment::is_ready() {
        return Number::Argument as i32;
    }
    match function() {
        Ok(()) => 0,
        Err(error) => {
            environment::say(&error.message);
            error.number as i32
        }
    }
}
