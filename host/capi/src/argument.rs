// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers from C.

use std::ffi::{CStr, c_char};
use std::slice;

use crate::error::Error;

/// What a pointer points to.
///
/// # Safety
/// It is null, or points to a valid value that nobody changes as long as the reference is used.
pub unsafe fn value<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Error> {
    // SAFETY: the caller's.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// The same, to change it.
///
/// # Safety
/// It is null, or points to a valid value that nobody else uses as long as the reference is used.
pub unsafe fn value_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Error> {
    // SAFETY: the caller's.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// An array.
///
/// # Safety
/// The pointer is null, or points to that many valid values that nobody changes as long as the slice is used.
pub unsafe fn array<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// A NUL-terminated text; `None` if the pointer is null.
///
/// # Safety
/// The pointer is null, or points to such a text, which nobody changes as long as the slice is used.
pub unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>, Error> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(pointer) };
    let text = text.to_str();
    text.map(Some)
        .map_err(|_| Error::argument(format_args!("{name} is not UTF-8")))
}

/// A NUL-terminated text.
///
/// # Safety
/// As of [`optional_text`].
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Error> {
    // SAFETY: the caller's.
    unsafe { optional_text(pointer, name)? }.ok_or_else(|| null(name))
}

pub fn null(name: &str) -> Error {
    Error::argument(format_args!("{name} is NULL"))
}
