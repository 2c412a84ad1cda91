// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers from C. Where a function takes a reference, the header says that the pointer is null or leads to such a
//! value, as Rust asks of one.

use alloc::string::{String, ToString};
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::{fmt, slice};

use crate::environment;

/// A result's place in the host's memory, if it has given one.
pub type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// What a pointer points to that must not be null.
pub fn there<T>(pointer: Option<T>, name: &str) -> Result<T, Error> {
    pointer.ok_or_else(|| Error::argument(format_args!("{name} is NULL")))
}

/// An array.
///
/// # Safety
/// The pointer is null, or points to that many valid values that nobody changes as long as the slice is used.
pub unsafe fn array<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    let pointer = there(NonNull::new(pointer.cast_mut()), name)?;
    // SAFETY: the caller's.
    Ok(unsafe { slice::from_raw_parts(pointer.as_ptr(), count) })
}

/// A NUL-terminated text.
///
/// # Safety
/// The pointer is null, or points to such a text, which nobody changes as long as the slice is used.
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Error> {
    let pointer = there(NonNull::new(pointer.cast_mut()), name)?;
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(pointer.as_ptr()) };
    text.to_str()
        .map_err(|_| Error::argument(format_args!("{name} is not UTF-8")))
}

/// Returns whether a structure has the size that this library knows.
pub fn check_size(size: usize, known: usize, name: &str) -> Result<(), Error> {
    if size == known {
        return Ok(());
    }
    Err(Error::argument(format_args!(
        "{name}.size is {size}, this library's structure has {known} bytes; set it to sizeof, and compile the host \
         with the library's own host.h"
    )))
}

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
