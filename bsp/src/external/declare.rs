// SPDX-License-Identifier: MIT OR Apache-2.0
//! The macro that declares external functions.

use paravirt_abi::l4rtems;
use paravirt_abi::signature::Signature;

/// What [`l4_external_func!`](crate::l4_external_func) knows about a function it declared. The macro implements it
/// for an empty type of the function's name.
///
/// # Safety
/// A function of that name, prototype and type is declared, and what the host promises of it holds for callers of that
/// type.
pub unsafe trait External {
    /// The type of its address; `unsafe` unless it was declared as safe.
    type Pointer;
    /// The name, as in the string section.
    const NAME: &'static str;
    /// The prototype.
    const SIGNATURE: Signature;
}

/// Returns whether an assembler and a C compiler take `name` as a symbol without quotes.
#[must_use]
pub const fn is_c_identifier(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let letter = bytes[i].is_ascii_alphabetic() || bytes[i] == b'_';
        if !(letter || i > 0 && bytes[i].is_ascii_digit()) {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// Returns whether `name` is that of an L4RTEMS function. On i386 hosts take its arguments from registers, and Rust has
/// no such calls.
#[must_use]
pub const fn is_l4rtems(name: &str) -> bool {
    let mut i = 0;
    while i < l4rtems::FUNCTIONS.len() {
        if is_same(name.as_bytes(), l4rtems::FUNCTIONS[i].name.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

/// Returns whether this target passes the arguments and the result where hosts of the architecture take them from.
/// Where code may not use floating-point registers, as on `x86_64-unknown-none`, Rust passes `f32` and `f64` in others.
#[must_use]
pub const fn passes_as_hosts(signature: Signature) -> bool {
    let has_registers = cfg!(any(
        all(target_arch = "x86_64", target_feature = "sse2"),
        all(target_arch = "aarch64", target_feature = "neon"),
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
    ));
    has_registers || !signature.has_floats()
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut i = 0;
    while i < one.len() && i < other.len() && one[i] == other[i] {
        i += 1;
    }
    i == one.len() && i == other.len()
}

/// Declares functions that the host supplies.
///
/// ```no_run
/// paravirt_bsp::l4_external_func! {
///     /// Switches the lamp `number` to `brightness` (0 to 255); 0, or an error number.
///     pub fn board_lamp_set(number: u32, brightness: u8) -> i32;
///     /// Returns when the door has been opened.
///     fn board_wait_for_door();
///     /// Cuts the power.
///     pub fn board_power_off() -> !;
/// }
/// # fn main() {}
/// ```
///
/// Each function becomes an `unsafe extern "C"` function with these attributes and this visibility, on AArch64 one that
/// is inlined and calls through the slot, without the thunk. The caller vouches
/// for what the host's function demands of its arguments; the host must not trust them. Besides, the macro emits the
/// function's entry in the jump table (see [`crate::external`]), which disappears from images that never call the
/// function.
///
/// A function that asks nothing of its caller, whatever the arguments are, can be declared as safe. That is a promise,
/// so it is made as in Rust's own declarations:
///
/// ```no_run
/// paravirt_bsp::l4_external_func! {
///     unsafe extern "C" {
///         /// Temperature at a sensor in thousandths of a degree Celsius.
///         pub safe fn board_temperature(sensor: u32) -> i32;
///         /// Writes the board's name to `buffer`.
///         fn board_name(buffer: *mut u8, length: usize) -> isize;
///     }
/// }
///
/// fn run() {
///     paravirt_bsp::println!("{}", board_temperature(1));
/// }
/// # fn main() {}
/// ```
///
/// * Use it at module level. It also defines an empty type of the function's name, which carries the prototype for
///   [`in_guest_functions!`](crate::in_guest_functions).
/// * Arguments: `i8` to `i64`, `u8` to `u64`, `isize`, `usize`, `f32`, `f64`, `*const T`, `*mut T`; at most 14.
///   Results: the same, nothing, or `!`. Anything else is a compile error that names the argument; `f32` and `f64`
///   are one on targets that pass them in other registers than C does, such as `x86_64-unknown-none`.
/// * The name is the symbol's name in C and in the host's list: ASCII letters, digits and underscores. The L4RTEMS
///   names (`l4rtems_outch` and its kin) are left to C, which has their calls.
/// * A name has one prototype. Declaring it again, here or in C (`ffi/include/paravirt/external.h`), with the same one
///   is harmless; with another one the link fails with a second definition of `NAME.has_one_prototype`. (LTO by rustc,
///   `lto = "fat"` or `"thin"`, keeps this; `-C linker-plugin-lto` takes every second declaration for another one.)
///
/// What is not a plain C function is refused: `fn print(format: *const u8, ...)` has no prototype to compare.
#[macro_export]
macro_rules! l4_external_func {
    (unsafe extern $("C")? { $(
        $(#[$attribute:meta])*
        // An optional word leaves no variable to repeat by: a lifetime, which nobody writes there, is one.
        $visibility:vis $(safe $($_never:lifetime)?)? fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
    )* }) => {$(
        $crate::__l4_external_item! {
            [$(safe $($_never)?)?]
            $(#[$attribute])*
            $visibility fn $name($($argument: $type),*) $(-> $result)?
        }
    )*};

    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
    )*) => {$(
        $crate::__l4_external_item! {
            []
            $(#[$attribute])*
            $visibility fn $name($($argument: $type),*) $(-> $result)?
        }
    )*};

    (unsafe extern $("C")? { $($declarations:tt)* }) => {
        $crate::__l4_external_refuse! { $($declarations)* }
    };
    ($($declarations:tt)*) => {
        $crate::__l4_external_refuse! { @outside $($declarations)* }
    };
}

/// What one declaration becomes.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_item {
    (
        [$($safe:ident)?]
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?
    ) => {$crate::__l4_external_at_most_14! { $name: $($argument)* =>
        $crate::__l4_external_function! {
            [$($safe)?]
            $(#[$attribute])*
            $visibility fn $name($($argument: $type),*) $(-> $result)?
        }

        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        $visibility enum $name {}

        // SAFETY: the function above.
        unsafe impl $crate::external::External for $name {
            type Pointer = $crate::__l4_external_pointer! { [$($safe)?] ($($type),*) $(-> $result)? };
            const NAME: &'static str = {
                ::core::assert!(
                    $crate::external::is_c_identifier(::core::stringify!($name)),
                    "the name of an external function is made of ASCII letters, digits and underscores"
                );
                ::core::assert!(
                    !$crate::external::is_l4rtems(::core::stringify!($name)),
                    "an L4RTEMS function is called with its arguments in registers on i386, which Rust cannot: declare \
                     it in C with __attribute__((regparm(3))), or call what replaced it, such as pv_console_write"
                );
                ::core::stringify!($name)
            };
            const SIGNATURE: $crate::abi::signature::Signature =
                $crate::abi::signature::Signature::new(
                    // One generic function per type, of the function's or the argument's name, so that the compiler's
                    // message about a type that cannot cross says where it is.
                    {
                        const fn $name<F: $crate::abi::signature::ResultOf>()
                        -> $crate::abi::signature::Type {
                            F::TYPE
                        }
                        $name::<fn() $(-> $result)?>()
                    },
                    &[$({
                        const fn $argument<T: $crate::abi::signature::Argument>()
                        -> $crate::abi::signature::Type {
                            T::TYPE
                        }
                        $argument::<$type>()
                    }),*],
                );
        }

        // Not only when code is generated, but also when it is only checked.
        const _: () = {
            let _ = <$name as $crate::external::External>::NAME;
            ::core::assert!(
                $crate::external::passes_as_hosts(<$name as $crate::external::External>::SIGNATURE),
                "this target has no floating-point registers in calls, and hosts take f32 and f64 from them: pass the \
                 bits, as u32 or u64, or build for a target that has, such as x86_64-unknown-linux-gnu"
            );
        };

        $crate::__l4_external_native!($name);
    }};
}

/// The function that callers see: the thunk.
#[cfg(not(target_arch = "aarch64"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_function {
    (
        [$($safe:ident)?]
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?
    ) => {
        unsafe extern "C" {
            $(#[$attribute])*
            $visibility $($safe)? fn $name($($argument: $type),*) $(-> $result)?;
        }
    };
}

/// The function that callers see: one that loads the slot and calls where it leads. AArch64 has no jump through memory,
/// so a caller's `bl` to the thunk would be an instruction more than what the thunk does has to cost. C and function
/// tables have the thunk.
#[cfg(target_arch = "aarch64")]
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_function {
    ([safe] $($function:tt)*) => {
        $crate::__l4_external_function! { @ (extern "C") $($function)* }
    };
    ([] $($function:tt)*) => {
        $crate::__l4_external_function! { @ (unsafe extern "C") $($function)* }
    };
    (
        @ ($($qualifiers:tt)*)
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?
    ) => {
        $(#[$attribute])*
        #[inline]
        #[allow(clippy::too_many_arguments, reason = "the host's function has as many")]
        #[allow(clippy::missing_safety_doc, reason = "whoever declares it says what it demands, as of a foreign one")]
        $visibility $($qualifiers)* fn $name($($argument: $type),*) $(-> $result)? {
            unsafe extern "C" {
                #[link_name = ::core::concat!(::core::stringify!($name), ".has_one_prototype")]
                static SLOT: ::core::sync::atomic::AtomicPtr<()>;
            }
            // SAFETY: the symbol of the function's slot, a word that is aligned. Always it holds the address of code
            // with this prototype: a function, or the thunk that finds it.
            let function = unsafe {
                ::core::mem::transmute::<*mut (), unsafe extern "C" fn($($type),*) $(-> $result)?>(
                    SLOT.load(::core::sync::atomic::Ordering::Relaxed),
                )
            };
            // SAFETY: what the function demands, this one's caller vouches for, unless it was declared as safe.
            unsafe { function($($argument),*) }
        }
    };
}

/// The type of a function's address.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_pointer {
    ([safe] ($($type:ty),*) $(-> $result:ty)?) => { extern "C" fn($($type),*) $(-> $result)? };
    ([] ($($type:ty),*) $(-> $result:ty)?) => { unsafe extern "C" fn($($type),*) $(-> $result)? };
}

/// The items, unless there are more arguments than the prototype word holds.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_at_most_14 {
    ($name:ident:
     $_1:ident $_2:ident $_3:ident $_4:ident $_5:ident $_6:ident $_7:ident $_8:ident
     $_9:ident $_10:ident $_11:ident $_12:ident $_13:ident $_14:ident $($more:ident)+ => $($items:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "has more than 14 arguments: pass a pointer to a struct" }
    };
    ($name:ident: $($argument:ident)* => $($items:tt)*) => { $($items)* };
}

/// Says what is wrong with declarations that [`l4_external_func!`] cannot read.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_refuse {
    // The argument list: drop the arguments without fault, then name the first one with.
    (@arguments $name:ident [$argument:ident: ... $($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "cannot be variadic: its prototype would say nothing about the call" }
    };
    (@arguments $name:ident [$argument:ident: $type:ty, $($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @arguments $name [$($more)*] $($rest)* }
    };
    (@arguments $name:ident [$(mut)? self $($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "has no `self`: pass a pointer" }
    };
    (@arguments $name:ident [& $($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "has no `self`: pass a pointer" }
    };
    (@arguments $name:ident [... $($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "cannot be variadic: its prototype would say nothing about the call" }
    };
    (@arguments $name:ident [] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "is declared as `fn name(argument: Type) -> Type;`" }
    };
    (@arguments $name:ident [$argument:ident: $type:ty] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "is declared as `fn name(argument: Type) -> Type;`" }
    };
    (@arguments $name:ident [$($more:tt)*] $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "has arguments of the form `name: Type`, not patterns" }
    };

    (@ $name:ident $reason:literal) => {
        ::core::compile_error!(::core::concat!(
            "external function `", ::core::stringify!($name), "` ", $reason
        ));
    };

    // A declaration without fault: the next one.
    (@outside $(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
     $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @outside $($rest)* }
    };
    (@outside $(#[$attribute:meta])* $visibility:vis safe fn $name:ident $($rest:tt)*) => {
        $crate::__l4_external_refuse! {
            @ $name "is declared as safe, which is a promise: put it into `unsafe extern \"C\" { .. }` inside the macro"
        }
    };
    (@outside $($rest:tt)*) => {
        $crate::__l4_external_refuse! { $($rest)* }
    };
    ($(#[$attribute:meta])* $visibility:vis $(safe)? fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
     $($rest:tt)*) => {
        $crate::__l4_external_refuse! { $($rest)* }
    };
    // What follows is wrong with or without it.
    ($(#[$attribute:meta])* $visibility:vis safe fn $($rest:tt)*) => {
        $crate::__l4_external_refuse! { $visibility fn $($rest)* }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident < $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "cannot be generic: the host knows one address for it" }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($arguments:tt)*) $(-> $result:ty)? { $($body:tt)* }
     $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @ $name "has no body here: the host supplies it; end the declaration with `;`" }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?) => {
        $crate::__l4_external_refuse! { @ $name "needs a `;` at the end of its declaration" }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($arguments:tt)*) $($rest:tt)*) => {
        $crate::__l4_external_refuse! { @arguments $name [$($arguments)*] $($rest)* }
    };
    ($(#[$attribute:meta])* $visibility:vis $qualifier:ident $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($qualifier), "` does not belong here: every external function is declared as ",
            "`fn name(argument: Type) -> Type;` and becomes `unsafe extern \"C\"`"
        ));
    };
    ($($rest:tt)*) => {
        ::core::compile_error!(
            "an external function is declared as `fn name(argument: Type) -> Type;`"
        );
    };
}
