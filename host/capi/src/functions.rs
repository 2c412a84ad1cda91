// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host functions that are callbacks.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use paravirt_abi::signature::{Signature, Type, Width};
use pvhost::process::{self, Builder, Exit, Value};
use pvhost::prototype::{self, is_identifier};

use crate::argument::{Error, array, null, text};
use crate::call::Call;

/// `struct paravirt_vm_function`
#[repr(C)]
pub struct FunctionOfC {
    name: *const c_char,
    prototype: *const c_char,
    callback: Option<extern "C" fn(context: *mut c_void, call: *mut Call<'_>)>,
    context: *mut c_void,
}

/// Why the run ended, if it was by a mistake of a callback.
pub type Failure = Arc<Mutex<Option<String>>>;

/// One that was checked.
pub struct Function {
    name: String,
    signature: Signature,
    callback: extern "C" fn(*mut c_void, *mut Call<'_>),
    context: *mut c_void,
}

// SAFETY: the context is the callback's, and the header says on which thread that is called.
unsafe impl Send for Function {}

/// Checks functions for a guest of that width.
///
/// # Safety
/// As the header says.
pub unsafe fn all(functions: *const FunctionOfC, count: usize, width: Width) -> Result<Vec<Function>, Error> {
    // SAFETY: the caller's.
    let functions = unsafe { array(functions, count, "options.functions")? };
    let check = |function: &FunctionOfC| {
        // SAFETY: the caller's.
        let (name, prototype) = unsafe { (text(function.name, "a function's name")?, function.prototype) };
        if !is_identifier(name) {
            return Err(Error::argument(format_args!("{name:?} is no name of a function")));
        }
        // SAFETY: the caller's.
        let prototype = unsafe { text(prototype, &format!("the prototype of {name}"))? };
        let signature = prototype::parse(prototype, width)
            .map_err(|error| Error::argument(format_args!("the prototype of {name}: {error}")))?;
        Ok(Function {
            name: name.to_owned(),
            signature,
            callback: function
                .callback
                .ok_or_else(|| null(&format!("the callback of {name}")))?,
            context: function.context,
        })
    };
    functions.iter().map(check).collect()
}

impl Function {
    /// Has the guest's calls lead to the callback.
    pub fn provide(self, builder: Builder, failure: Failure) -> Builder {
        let name = self.name.clone();
        builder.provide_with(name, self.signature, move |call, arguments| {
            self.call(call, arguments, &failure)
        })
    }

    fn call(&self, call: &mut process::Call, arguments: &[Value], failure: &Failure) -> Value {
        let signature = self.signature;
        let mut seen = Call {
            call,
            signature,
            arguments,
            result: None,
            stopped: false,
            failure: None,
        };
        (self.callback)(self.context, &raw mut seen);
        let Call {
            call,
            result,
            stopped,
            failure: mistake,
            ..
        } = seen;
        let lacks = || match signature.result() {
            _ if stopped => None,
            Type::Never => Some(format!("returns without paravirt_vm_stop(), as {signature} may not")),
            ty if ty.is_argument() && result.is_none() => Some(format!("sets no result of {signature}")),
            _ => None,
        };
        if let Some(mistake) = mistake.or_else(lacks) {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| format!("the host function {}: {mistake}", self.name));
            call.stop(Exit::Fatal(0));
        }
        result.unwrap_or(Value::Unit)
    }
}
