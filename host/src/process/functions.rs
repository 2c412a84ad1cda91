// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host functions as typed closures.
//!
//! `Fn(&mut Call, A, B) -> R` becomes an external function: the prototype comes from the types, and so does the code that
//! takes the arguments from where the guest's C ABI puts them.

use std::marker::PhantomData;
use std::rc::Rc;

use paravirt_abi::error::Error;
use paravirt_abi::signature::{Signature, Type, Width};

use super::call::{Arguments, Call};

/// A pointer of the guest, through which the host may write. Not checked: [`Call`] checks it when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestPtr<T> {
    address: u64,
    to: PhantomData<*mut T>,
}

/// A pointer of the guest, through which the host only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestConstPtr<T> {
    address: u64,
    to: PhantomData<*const T>,
}

impl<T> GuestPtr<T> {
    /// The address.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }
}

impl<T> GuestConstPtr<T> {
    /// The address.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }
}

/// `usize` of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuestUsize(pub u64);

/// `isize` of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuestIsize(pub i64);

/// Result of a function that does not return (`!`): it has asked the guest to stop, see [`Call::stop`].
#[derive(Debug)]
pub struct Stopped(pub(super) ());

/// A type that a host function may take.
pub trait GuestArgument {
    /// The type's code on a guest of that width.
    fn type_on(width: Width) -> Type;
    /// Takes the next argument.
    fn take(arguments: &mut Arguments<'_>) -> Self;
}

/// A type that a host function may return.
pub trait GuestResult {
    /// The type's code on a guest of that width.
    fn type_on(width: Width) -> Type;
    /// Leaves the result for the guest.
    fn give(self, call: &mut Call);
}

/// A type that crosses both ways: its code on a guest of a width, how it is taken and how it is given.
macro_rules! crossing {
    ([$($generic:ident)?] $ty:ty:
        |$width:pat_param| $code:expr, |$arguments:ident| $take:expr, |$value:ident, $call:ident| $give:expr
    ) => {
        impl$(<$generic>)? GuestArgument for $ty {
            fn type_on($width: Width) -> Type {
                $code
            }
            #[inline]
            fn take($arguments: &mut Arguments<'_>) -> Self {
                $take
            }
        }
        impl$(<$generic>)? GuestResult for $ty {
            fn type_on($width: Width) -> Type {
                $code
            }
            #[inline]
            fn give(self, $call: &mut Call) {
                let $value = self;
                $give;
            }
        }
    };
}

macro_rules! integers {
    ($($ty:ty => $code:ident),* $(,)?) => {$(
        crossing! { [] $ty:
            |_| Type::$code,
            // The ABI leaves the upper bits of a narrow argument undefined.
            |arguments| if size_of::<Self>() == 8 {
                arguments.double_word() as Self
            } else {
                arguments.word() as Self
            },
            |value, call| call.set_result(value as i64 as u64)
        }
    )*};
}

integers! {
    i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64, u64 => U64,
}

const fn by_width(width: Width, narrow: Type, wide: Type) -> Type {
    match width {
        Width::Bits32 => narrow,
        Width::Bits64 => wide,
    }
}

crossing! { [] GuestUsize:
    |width| by_width(width, Type::U32, Type::U64),
    |arguments| Self(arguments.word()),
    |value, call| call.set_result(value.0)
}

crossing! { [] GuestIsize:
    |width| by_width(width, Type::I32, Type::I64),
    |arguments| Self(arguments.signed_word()),
    |value, call| call.set_result(value.0 as u64)
}

macro_rules! pointers {
    ($($ty:ident => $code:ident),*) => {$(
        crossing! { [T] $ty<T>:
            |_| Type::$code,
            |arguments| Self { address: arguments.word(), to: PhantomData },
            |value, call| call.set_result(value.address)
        }
    )*};
}

pointers!(GuestPtr => Pointer, GuestConstPtr => ConstPointer);

crossing! { [] f32:
    |_| Type::F32,
    |arguments| Self::from_bits(arguments.float_word() as u32),
    |value, call| call.set_float_result(match call.width() {
        // st0 holds any float; the gate loads a double.
        Width::Bits32 => f64::from(value).to_bits(),
        Width::Bits64 => u64::from(value.to_bits()),
    })
}

crossing! { [] f64:
    |_| Type::F64,
    |arguments| Self::from_bits(arguments.float_double_word()),
    |value, call| call.set_float_result(value.to_bits())
}

impl GuestResult for () {
    fn type_on(_: Width) -> Type {
        Type::Unit
    }
    #[inline]
    fn give(self, _: &mut Call) {}
}

impl GuestResult for Stopped {
    fn type_on(_: Width) -> Type {
        Type::Never
    }
    fn give(self, _: &mut Call) {}
}

/// `i32` for the guest: 0 or the error's number.
impl GuestResult for Result<(), Error> {
    fn type_on(_: Width) -> Type {
        Type::I32
    }
    #[inline]
    fn give(self, call: &mut Call) {
        self.err().map_or(0, Error::number).give(call);
    }
}

/// `isize` for the guest: a size or the error's number.
impl GuestResult for Result<usize, Error> {
    fn type_on(width: Width) -> Type {
        <GuestIsize as GuestResult>::type_on(width)
    }
    #[inline]
    fn give(self, call: &mut Call) {
        let number = self.map_or_else(|error| i64::from(error.number()), |size| size as i64);
        GuestIsize(number).give(call);
    }
}

/// A host function without its types.
pub(super) type Erased = Rc<dyn Fn(&mut Call)>;

/// A closure that can be an external function: `Fn(&mut Call, A, ..) -> R` with up to fourteen arguments.
pub trait HostFunction<Arguments>: 'static {
    /// Its prototype on a guest of that width.
    fn signature(width: Width) -> Signature;
    /// The closure as a function that finds its arguments in the call.
    fn erase(self) -> Rc<dyn Fn(&mut Call)>;
}

macro_rules! host_function {
    ($($argument:ident),*) => {
        impl<F, R, $($argument),*> HostFunction<($($argument,)*)> for F
        where
            F: Fn(&mut Call, $($argument),*) -> R + 'static,
            R: GuestResult,
            $($argument: GuestArgument,)*
        {
            fn signature(width: Width) -> Signature {
                Signature::new(R::type_on(width), &[$($argument::type_on(width)),*])
            }

            #[allow(non_snake_case, reason = "variables named after their types")]
            fn erase(self) -> Rc<dyn Fn(&mut Call)> {
                Rc::new(move |call: &mut Call| {
                    #[allow(unused_mut, reason = "a function without arguments")]
                    let mut _arguments = call.arguments();
                    $(let $argument = $argument::take(&mut _arguments);)*
                    self(call, $($argument),*).give(call);
                })
            }
        }
    };
}

host_function!();
host_function!(A);
host_function!(A, B);
host_function!(A, B, C);
host_function!(A, B, C, D);
host_function!(A, B, C, D, E);
host_function!(A, B, C, D, E, G);
host_function!(A, B, C, D, E, G, H);
host_function!(A, B, C, D, E, G, H, I);
host_function!(A, B, C, D, E, G, H, I, J);
host_function!(A, B, C, D, E, G, H, I, J, K);
host_function!(A, B, C, D, E, G, H, I, J, K, L);
host_function!(A, B, C, D, E, G, H, I, J, K, L, M);
host_function!(A, B, C, D, E, G, H, I, J, K, L, M, N);
host_function!(A, B, C, D, E, G, H, I, J, K, L, M, N, O);
