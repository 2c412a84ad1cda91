// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding external functions to functions inside the guest.

use core::fmt;

use paravirt_abi::signature::{Signature, SignatureError, Type};

use super::table::Table;

/// A function inside the guest that can fill a slot. [`in_guest_functions!`](crate::in_guest_functions) makes one.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    name: &'static str,
    signature: Signature,
    address: *const (),
}

// SAFETY: the address of code, which never changes and may be called from anywhere.
unsafe impl Sync for Function {}
// SAFETY: as above.
unsafe impl Send for Function {}

impl Function {
    /// What is in a table before the functions are.
    const NONE: Self = Self {
        name: "",
        signature: Signature::new(Type::Unit, &[]),
        address: core::ptr::null(),
    };

    /// A function of that name and prototype at that address.
    ///
    /// # Safety
    /// A function with this prototype and the C calling convention starts at `address`, and it does what the external
    /// function of that name promises.
    #[must_use]
    pub const unsafe fn new(name: &'static str, signature: Signature, address: *const ()) -> Self {
        Self {
            name,
            signature,
            address,
        }
    }

    /// The name of the external function that it supplies.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its prototype.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        self.signature
    }
}

/// The functions of a backend, sorted by name at compile time.
#[derive(Clone, Copy, Debug)]
pub struct Functions<const N: usize>([Function; N]);

impl<const N: usize> Functions<N> {
    /// Sorts the functions.
    ///
    /// # Panics
    /// If two functions have the same name; in a constant that is a compile error.
    #[must_use]
    pub const fn sorted(mut functions: [Function; N]) -> Self {
        let mut end = 1;
        while end < N {
            let mut i = end;
            while i > 0 && is_less(functions[i].name, functions[i - 1].name) {
                (functions[i], functions[i - 1]) = (functions[i - 1], functions[i]);
                i -= 1;
            }
            assert!(
                i == 0 || is_less(functions[i - 1].name, functions[i].name),
                "a backend supplies one function of a name"
            );
            end += 1;
        }
        Self(functions)
    }

    /// The functions of all parts, which are `N`, sorted.
    ///
    /// # Panics
    /// As [`sorted`](Self::sorted).
    #[must_use]
    pub const fn joined(parts: &[&[Function]]) -> Self {
        let mut functions = [Function::NONE; N];
        let (mut count, mut part) = (0, 0);
        while part < parts.len() {
            let mut i = 0;
            while i < parts[part].len() {
                functions[count] = parts[part][i];
                count += 1;
                i += 1;
            }
            part += 1;
        }
        Self::sorted(functions)
    }

    /// The functions, sorted by name.
    #[must_use]
    pub const fn as_slice(&self) -> &[Function] {
        &self.0
    }
}

/// Returns whether `a` sorts before `b`; `str`'s own comparison cannot be used in constants.
const fn is_less(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

/// The functions with which a backend inside the guest fills slots, as [`Functions`].
///
/// ```no_run
/// extern "C" fn now() -> u64 { 0 }
/// extern "C" fn stop(timer: u32) -> i32 { -1 }
///
/// paravirt_bsp::in_guest_functions! {
///     static FUNCTIONS = {
///         pv_timer_stop = stop,
///         pv_clock_now = now,
///     };
/// }
/// # fn main() { let _ = FUNCTIONS.as_slice(); }
/// ```
///
/// The left side names an interface function, or another declared one that is in scope, the right side an `extern "C"`
/// function of the same type, which may be `unsafe` unless the declaration says `safe`; or this is a compile error:
///
/// ```compile_fail,E0308
/// extern "C" fn now() -> u32 { 0 }
/// paravirt_bsp::in_guest_functions! { static FUNCTIONS = { pv_clock_now = now }; }
/// ```
///
/// A table next to its bodies is a `const FUNCTIONS`. Those of several modules are joined by the modules' names:
///
/// ```no_run
/// mod clock {
///     paravirt_bsp::in_guest_functions! { pub const FUNCTIONS = { pv_clock_now = now }; }
///     extern "C" fn now() -> u64 { 0 }
/// }
/// use paravirt_bsp::backend::{lines, timers};
/// paravirt_bsp::in_guest_functions! { static FUNCTIONS = [clock, lines, timers]; }
/// # fn main() { let _ = FUNCTIONS.as_slice(); }
/// ```
///
/// A second body for one function is a compile error, too:
///
/// ```compile_fail,E0080
/// use paravirt_bsp::backend::{lines, timers};
/// extern "C" fn raise(line: u32) -> i32 { -1 }
/// mod own {
///     paravirt_bsp::in_guest_functions! { pub const FUNCTIONS = { pv_irq_raise = super::raise }; }
/// }
/// paravirt_bsp::in_guest_functions! { static FUNCTIONS = [lines, own]; }
/// ```
///
/// The right side must do what the external function promises; that part nobody checks. Without a name, the macro is an
/// expression of the type [`Functions`].
#[macro_export]
macro_rules! in_guest_functions {
    // `static` or `const`.
    ($(#[$attribute:meta])* $visibility:vis $kind:ident $table:ident = {
        $($name:ident = $function:path),* $(,)?
    };) => {
        $(#[$attribute])*
        $visibility $kind $table: $crate::external::Functions<
            { <[&str]>::len(&[$(::core::stringify!($name)),*]) },
        > = $crate::in_guest_functions! { $($name = $function),* };
    };
    ($(#[$attribute:meta])* $visibility:vis $kind:ident $table:ident = [$($module:ident),* $(,)?];) => {
        $(#[$attribute])*
        $visibility $kind $table: $crate::external::Functions<{ 0 $(+ $module::FUNCTIONS.as_slice().len())* }> =
            $crate::external::Functions::joined(&[$($module::FUNCTIONS.as_slice()),*]);
    };
    ($($name:ident = $function:path),* $(,)?) => {
        $crate::external::Functions::sorted([$({
            #[allow(unused_imports, reason = "the caller's function may be none of the interface")]
            use $crate::interface::*;
            // A function of that type; a safe one, if the other was declared as safe.
            let _: <$name as $crate::external::External>::Pointer = $function;
            // SAFETY: the type is checked above; the behaviour is what the backend's author vouches for.
            unsafe {
                $crate::external::Function::new(
                    <$name as $crate::external::External>::NAME,
                    <$name as $crate::external::External>::SIGNATURE,
                    $function as *const (),
                )
            }
        }),*])
    };
}

/// A function inside the guest does not fit the declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindError {
    /// The function's name.
    pub name: &'static str,
    /// The prototype with which it was declared, or what is wrong with its prototype word.
    pub declared: Result<Signature, SignatureError>,
    /// The prototype of the function that was to be bound.
    pub supplied: Signature,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "external function {} is declared as ", self.name)?;
        match self.declared {
            Ok(declared) => write!(f, "{declared}")?,
            // What exactly is for tools to say: no guest need carry the texts.
            Err(_) => f.write_str("nothing valid, see `pvhost list`,")?,
        }
        write!(f, " but the backend supplies {}", self.supplied)
    }
}

impl core::error::Error for BindError {}

/// Binds every external function of this image that is in `functions`, which is sorted by name (see [`Functions`]);
/// the number of slots that were bound. A function that the image does not call is passed over, a slot that is not in
/// `functions` keeps its value.
///
/// # Errors
/// A prototype differs. Slots before it in the table are bound already.
pub fn bind(functions: &[Function]) -> Result<usize, BindError> {
    let mut bound = 0;
    for entry in Table::of_image().entries() {
        let name = entry.name().to_bytes();
        let Ok(index) = functions.binary_search_by(|function| function.name.as_bytes().cmp(name)) else {
            continue;
        };
        let function = &functions[index];
        if entry.signature_word() != function.signature.word() {
            return Err(BindError {
                name: function.name,
                declared: entry.signature(),
                supplied: function.signature,
            });
        }
        // SAFETY: the prototypes agree; whoever made the `Function` vouches for the rest.
        unsafe { entry.bind(function.address.addr()) };
        bound += 1;
    }
    Ok(bound)
}
