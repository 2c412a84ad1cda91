// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers from C.

use core::ffi::{CStr, c_char};
use core::slice;

use crate::error::Error;

/// What a pointer points to.
///
/// # Safety
/// It is null, or points to a valid value that nobody changes as long as the reference is used.
pub unsafe fn value<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Error> {
    // SAFETY: the caller's.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// Stores a result.
///
/// # Safety
/// The pointer is null, or points to writable memory for the value.
pub unsafe fn store<T>(pointer: *mut T, value: T, name: &str) -> Result<(), Error> {
    check_there(pointer, name)?;
    // SAFETY: the caller's.
    unsafe { pointer.write(value) };
    Ok(())
}

/// An array.
///
/// # Safety
/// The pointer is null, or points to that many valid values that nobody changes as long as the slice is used.
pub unsafe fn array<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    check_there(pointer, name)?;
    // SAFETY: the caller's.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// A NUL-terminated text.
///
/// # Safety
/// The pointer is null, or points to such a text, which nobody changes as long as the slice is used.
pub unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Error> {
    check_there(pointer, name)?;
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Error::argument(format_args!("{name} is not UTF-8")))
}

/// Returns whether a pointer is there; what it points to may be uninitialized.
pub fn check_there<T>(pointer: *const T, name: &str) -> Result<(), Error> {
    if pointer.is_null() {
        return Err(null(name));
    }
    Ok(())
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

fn null(name: &str) -> Error {
    Error::argument(format_args!("{name} is NULL"))
}
