// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call of a host function, as its callback sees it.

use std::ffi::{c_char, c_void};

use paravirt_abi::signature::{Signature, Type};
use pvhost::process::{self, Exit, Value};

use crate::argument::{Error, Number, array, null, number, text, there};

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
fn with<R: Default>(call: Option<&mut Call<'_>>, body: impl FnOnce(&mut Call<'_>) -> R) -> R {
    let mut result = R::default();
    number(|| {
        result = body(there(call, "call")?);
        Ok(0)
    });
    result
}

/// `paravirt_vm_argument`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_argument(call: Option<&mut Call<'_>>, index: usize) -> u64 {
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
    with(call, body)
}

/// `paravirt_vm_argument_float`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_argument_float(call: Option<&mut Call<'_>>, index: usize) -> f64 {
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
    with(call, body)
}

/// Sets a result, if the prototype has one of its kind.
fn set_result(call: Option<&mut Call<'_>>, value: Value) {
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
    with(call, body)
}

/// `paravirt_vm_set_result`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_set_result(call: Option<&mut Call<'_>>, result: u64) {
    set_result(call, Value::Unsigned(result));
}

/// `paravirt_vm_set_result_float`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_set_result_float(call: Option<&mut Call<'_>>, result: f64) {
    set_result(call, Value::Float(result));
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
pub unsafe extern "C" fn paravirt_vm_read(
    call: Option<&mut Call<'_>>,
    address: u64,
    buffer: *mut c_void,
    size: usize,
) -> i32 {
    number(|| {
        let call = there(call, "call")?;
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
    call: Option<&mut Call<'_>>,
    address: u64,
    bytes: *const c_void,
    size: usize,
) -> i32 {
    number(|| {
        let call = there(call, "call")?;
        // SAFETY: the caller's.
        let bytes = unsafe { array(bytes.cast::<u8>(), size, "bytes")? };
        if bytes.is_empty() {
            return Ok(0);
        }
        let written = call.call.memory().write(address, bytes);
        written.map(|()| 0).map_err(|_| bad_address(address, size))
    })
}

/// `paravirt_vm_stop`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_stop(call: Option<&mut Call<'_>>, status: i32) {
    let body = |call: &mut Call<'_>| {
        call.stopped = true;
        call.call.stop(Exit::Exit(status));
    };
    with(call, body)
}

/// `paravirt_vm_fail`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_fail(call: Option<&mut Call<'_>>, reason: *const c_char) {
    let body = |call: &mut Call<'_>| {
        // SAFETY: the caller's.
        let text = unsafe { text(reason, "text") };
        call.fail(text.unwrap_or("fails, and gives no text that can be read"));
    };
    with(call, body)
}
