// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers from C. Where a function takes a reference, the header says that the pointer is null or leads to such a
//! value, as Rust asks of one.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{self, AssertUnwindSafe};
use std::{fmt, slice};

use pvhost::process::{RunError, VmError};

/// What a pointer points to that must not be null.
pub fn there<T>(pointer: Option<T>, name: &str) -> Result<T, Error> {
    pointer.ok_or_else(|| null(name))
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
    there(unsafe { optional_text(pointer, name)? }, name)
}

pub fn null(name: &str) -> Error {
    Error::argument(format_args!("{name} is NULL"))
}

/// The numbers `PARAVIRT_VM_ERROR_*`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Number {
    Argument = -1,
    Image = -2,
    System = -3,
    State = -4,
    Function = -5,
    Address = -6,
    Internal = -7,
}

/// An error of a function of the API.
#[derive(Debug)]
pub struct Error {
    number: Number,
    text: String,
}

impl Error {
    pub fn new(number: Number, text: impl fmt::Display) -> Self {
        Self {
            number,
            text: text.to_string(),
        }
    }

    pub fn argument(text: impl fmt::Display) -> Self {
        Self::new(Number::Argument, text)
    }
}

impl From<VmError> for Error {
    fn from(error: VmError) -> Self {
        let number = match error {
            VmError::Guest(_) => Number::Image,
            VmError::Occupied => Number::State,
            _ => Number::System,
        };
        Self::new(number, error)
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Vm(error) => error.into(),
            RunError::Backwards { .. } | RunError::HasEnded => Self::new(Number::State, error),
        }
    }
}

thread_local! {
    /// Of the last function that failed on this thread.
    static TEXT: RefCell<CString> = RefCell::default();
}

/// The result of a function of the API, which says what went wrong. A panic goes no further than here.
pub fn number(function: impl FnOnce() -> Result<i32, Error>) -> i32 {
    let result = panic::catch_unwind(AssertUnwindSafe(function)).unwrap_or_else(|panic| {
        let text = format_args!("a mistake of this library's own: {}", words(&*panic)).to_string();
        Err(Error::new(Number::Internal, text))
    });
    result.unwrap_or_else(|error| {
        TEXT.replace(c_text(&error.text));
        error.number as i32
    })
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason")
}

/// A text for C, which ends at the first NUL.
pub fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// `paravirt_vm_error`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_error() -> *const c_char {
    TEXT.with_borrow(|text| text.as_ptr())
}
