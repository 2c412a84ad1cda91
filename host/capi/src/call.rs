// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call of a host function, as its callback sees it.

use std::ffi::{c_char, c_void};
use std::slice;

use paravirt_abi::signature::{Signature, Type};
use pvhost::process::{self, Exit, Value};

use crate::argument::{null, text, value_mut};
use crate::error::{Error, Number, number};

/// `struct paravirt_vm_call`
pub struct Call<'a> {
    pub call: &'a mut process::Call,
    pub signature: Signature,
    pub arguments: &'a [Value],
    pub result: Option<Value>,
    /// Whether the guest is to end.
    pub stopped: bool,
    /// The first mistake of the callback, in words.
    pub failure: Option<String>,
}

impl Call<'_> {
    fn fail(&mut self, text: impl Into<String>) {
        self.failure.get_or_insert_with(|| text.into());
    }

    fn argument(&mut self, index: usize) -> Option<Value> {
        let value = self.arguments.get(index).copied();
        if value.is_none() {
            let text = format!("asks for argument {index} of {}, counted from 0", self.signature);
            self.fail(text);
        }
        value
    }
}

/// Whether that type is a float.
const fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F32 | Type::F64)
}

/// What `body` finds in the call. Without one there is an error, but nowhere to return it.
///
/// # Safety
/// As the header says.
unsafe fn with<R: Default>(call: *mut Call<'_>, body: impl FnOnce(&mut Call<'_>) -> R) -> R {
    let mut result = R::default();
    number(|| {
        // SAFETY: the caller's.
        result = body(unsafe { value_mut(call, "call")? });
        Ok(0)
    });
    result
}

/// `paravirt_vm_argument`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_argument(call: *mut Call<'_>, index: usize) -> u64 {
    let body = |call: &mut Call<'_>| match call.argument(index) {
        Some(Value::Unsigned(value)) => value,
        Some(Value::Signed(value)) => value as u64,
        Some(Value::Float(_)) => {
            let text = format!(
                "asks for argument {index} of {} as an integer: paravirt_vm_argument_float() is for it",
                call.signature
            );
            call.fail(text);
            0
        }
        Some(Value::Unit) | None => 0,
    };
    // SAFETY: the caller's.
    unsafe { with(call, body) }
}

/// `paravirt_vm_argument_float`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_argument_float(call: *mut Call<'_>, index: usize) -> f64 {
    let body = |call: &mut Call<'_>| match call.argument(index) {
        Some(Value::Float(value)) => value,
        Some(_) => {
            let text = format!(
                "asks for argument {index} of {} as a float: paravirt_vm_argument() is for it",
                call.signature
            );
            call.fail(text);
            0.0
        }
        None => 0.0,
    };
    // SAFETY: the caller's.
    unsafe { with(call, body) }
}

/// Sets a result, if the prototype has one of its kind.
///
/// # Safety
/// As the header says.
unsafe fn set_result(call: *mut Call<'_>, value: Value) {
    let body = |call: &mut Call<'_>| {
        let ty = call.signature.result();
        let (fits, kind) = match value {
            Value::Float(_) => (is_float(ty), "a float"),
            _ => (ty.is_argument() && !is_float(ty), "an integer"),
        };
        if fits {
            call.result = Some(value);
        } else {
            let text = format!("sets {kind} as the result of {}", call.signature);
            call.fail(text);
        }
    };
    // SAFETY: the caller's.
    unsafe { with(call, body) }
}

/// `paravirt_vm_set_result`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_set_result(call: *mut Call<'_>, result: u64) {
    // SAFETY: the caller's.
    unsafe { set_result(call, Value::Unsigned(result)) }
}

/// `paravirt_vm_set_result_float`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_set_result_float(call: *mut Call<'_>, result: f64) {
    // SAFETY: the caller's.
    unsafe { set_result(call, Value::Float(result)) }
}

fn bad_address(address: u64, size: usize) -> Error {
    let text = format_args!("the guest's memory does not hold {size} bytes at {address:#x} that it may use so");
    Error::new(Number::Address, text)
}

/// `paravirt_vm_read`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_read(call: *mut Call<'_>, address: u64, buffer: *mut c_void, size: usize) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let call = unsafe { value_mut(call, "call")? };
        if size == 0 {
            return Ok(0);
        }
        if buffer.is_null() {
            return Err(null("buffer"));
        }
        let memory = call.call.memory();
        let bytes = memory.read(address, size as u64);
        let bytes = bytes.map_err(|_| bad_address(address, size))?;
        // SAFETY: the caller's: room for that many bytes, and none of the copy's.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), size) };
        Ok(0)
    })
}

/// `paravirt_vm_write`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_write(
    call: *mut Call<'_>,
    address: u64,
    bytes: *const c_void,
    size: usize,
) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let call = unsafe { value_mut(call, "call")? };
        if size == 0 {
            return Ok(0);
        }
        if bytes.is_null() {
            return Err(null("bytes"));
        }
        // SAFETY: the caller's: that many bytes.
        let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), size) };
        let written = call.call.memory().write(address, bytes);
        written.map(|()| 0).map_err(|_| bad_address(address, size))
    })
}

/// `paravirt_vm_stop`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_stop(call: *mut Call<'_>, status: i32) {
    let body = |call: &mut Call<'_>| {
        call.stopped = true;
        call.call.stop(Exit::Exit(status));
    };
    // SAFETY: the caller's.
    unsafe { with(call, body) }
}

/// `paravirt_vm_fail`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_fail(call: *mut Call<'_>, reason: *const c_char) {
    let body = |call: &mut Call<'_>| {
        // SAFETY: the caller's.
        let text = unsafe { text(reason, "text") };
        call.fail(text.unwrap_or("fails, and gives no text that can be read"));
    };
    // SAFETY: the caller's.
    unsafe { with(call, body) }
}
