// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors: a number for the caller, a text for people, which stays with the thread.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use pvhost::process::{RunError, VmError};

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
