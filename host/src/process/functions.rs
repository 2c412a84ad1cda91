// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host functions as typed closures, and what they see of the guest that calls them.
//!
//! `Fn(&mut Call, A, B) -> R` becomes an external function: the prototype comes from the types, and so does the code
//! that takes the arguments from where the guest's C ABI puts them.

use std::marker::PhantomData;
use std::rc::Rc;

use paravirt_abi::error::Error;
use paravirt_abi::signature::{Signature, Type, Width};
use paravirt_abi::{interface_functions, l4rtems_functions};
use paravirt_host_core::guest::Frame;
pub use paravirt_host_core::guest::Stopped;
use paravirt_host_core::memory::GuestMemory;
use paravirt_host_core::offered_functions;

use super::lines::LineHandle;
use super::platform::Guest;
use super::run::Exit;

/// One call of a host function.
pub struct Call {
    frame: *mut Frame,
    guest: *const Guest,
    stack_bytes: u64,
}

impl Call {
    /// # Safety
    /// Both outlive the call, and nothing else uses the frame meanwhile. Of the arguments on the guest's stack, behind
    /// the return address, that many bytes can be read.
    pub(super) const unsafe fn new(frame: *mut Frame, guest: *const Guest, stack_bytes: u64) -> Self {
        Self {
            frame,
            guest,
            stack_bytes,
        }
    }

    #[inline]
    pub(super) const fn guest(&self) -> &Guest {
        // SAFETY: outlives the call.
        unsafe { &*self.guest }
    }

    #[inline]
    const fn frame(&mut self) -> &mut Frame {
        // SAFETY: outlives the call and is used by nobody else.
        unsafe { &mut *self.frame }
    }

    /// Pointer width of the guest.
    #[inline]
    #[must_use]
    pub const fn width(&self) -> Width {
        self.guest().width()
    }

    /// The guest's memory.
    #[inline]
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        self.guest().memory()
    }

    /// Copies `length` bytes from the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if they are not wholly in memory that the guest may read.
    pub fn bytes(&self, from: GuestConstPtr<u8>, length: GuestUsize) -> Result<Vec<u8>, Error> {
        self.memory().read(from.address(), length.0)
    }

    /// Copies `bytes` to the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if they do not fit wholly in memory that the guest may write.
    pub fn write_bytes(&mut self, to: GuestPtr<u8>, bytes: &[u8]) -> Result<(), Error> {
        self.memory().write(to.address(), bytes)
    }

    /// A handle to raise a line with, now or from another thread.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn line(&self, line: u32) -> Result<LineHandle, Error> {
        self.guest().platform().line(line)
    }

    /// Stops the guest: it is left when the host function returns. A fault cannot be asked for; it counts as fatal.
    pub fn stop(&mut self, exit: Exit) -> Stopped {
        self.guest().end(exit.end())
    }

    #[inline]
    pub(super) const fn set_result(&mut self, result: u64) {
        self.frame().result = result;
    }

    /// The guest's stack pointer, which on x86 points to the address where the call returns.
    pub(super) const fn stack(&mut self) -> u64 {
        self.frame().stack
    }

    /// A result that has a sign, for who has had the function called.
    pub(super) const fn signed_result(&mut self) -> i64 {
        self.frame().result as i64
    }

    #[inline]
    pub(super) const fn set_float_result(&mut self, result: u64) {
        self.frame().float_result = result;
    }

    #[inline]
    pub(super) const fn arguments(&mut self) -> Arguments<'static> {
        let width = self.width();
        // SAFETY: the frame outlives the call; only results are written while the arguments are read.
        let frame = unsafe { &*self.frame };
        Arguments {
            frame,
            width,
            integer: 0,
            float: 0,
            // If there are none on the stack, its pointer may be anything.
            stack: frame.stack.wrapping_add(Frame::return_address_size(width)),
            stack_bytes: self.stack_bytes,
        }
    }
}

/// The arguments of a call, taken one after the other (C ABI of the guest's architecture). Who takes more than
/// the prototype has gets zeros.
pub struct Arguments<'a> {
    frame: &'a Frame,
    width: Width,
    integer: usize,
    float: usize,
    /// Address of the next one on the guest's stack.
    stack: u64,
    /// Bytes from there on that the dispatcher has checked to be readable.
    stack_bytes: u64,
}

impl Arguments<'_> {
    /// The next integer that is no wider than a pointer.
    #[inline]
    pub(super) fn word(&mut self) -> u64 {
        match self.width {
            Width::Bits32 => self.pop(u32::from_le_bytes).into(),
            Width::Bits64 => self.double_word(),
        }
    }

    /// The next signed integer of a pointer's width.
    #[inline]
    pub(super) fn signed_word(&mut self) -> i64 {
        match self.width {
            Width::Bits32 => self.pop(i32::from_le_bytes).into(),
            Width::Bits64 => self.double_word() as i64,
        }
    }

    /// The next 64-bit integer.
    #[inline]
    pub(super) fn double_word(&mut self) -> u64 {
        if self.width == Width::Bits64
            && let Some(&register) = self.frame.integers.get(self.integer)
        {
            self.integer += 1;
            return register;
        }
        self.pop(u64::from_le_bytes)
    }

    /// The bits of the next 32-bit float.
    #[inline]
    pub(super) fn float_word(&mut self) -> u64 {
        match self.width {
            Width::Bits32 => self.pop(u32::from_le_bytes).into(),
            Width::Bits64 => self.float_double_word(),
        }
    }

    /// The bits of the next 64-bit float.
    #[inline]
    pub(super) fn float_double_word(&mut self) -> u64 {
        if self.width == Width::Bits64
            && let Some(&register) = self.frame.floats.get(self.float)
        {
            self.float += 1;
            return register;
        }
        self.pop(u64::from_le_bytes)
    }

    #[inline]
    fn pop<const SIZE: usize, T: Default>(&mut self, value: fn([u8; SIZE]) -> T) -> T {
        let Some(rest) = self.stack_bytes.checked_sub(SIZE as u64) else {
            return T::default();
        };
        // SAFETY: readable, see above; bytes have no alignment.
        let bytes = unsafe { (self.stack as *const [u8; SIZE]).read() };
        self.stack += SIZE as u64;
        self.stack_bytes = rest;
        value(bytes)
    }
}

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

/// A type that a host function may take.
pub trait GuestArgument {
    /// The type's code on a guest of that width.
    fn type_on(width: Width) -> Type;
    /// Takes the next argument.
    fn take(arguments: &mut Arguments<'_>) -> Self;
}

/// What an argument in a list of the ABI is to a host function here.
pub(super) trait InGuest {
    type Type: GuestArgument;
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
        impl InGuest for $ty {
            type Type = Self;
        }

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

impl InGuest for usize {
    type Type = GuestUsize;
}

impl From<GuestUsize> for u64 {
    fn from(size: GuestUsize) -> Self {
        size.0
    }
}

crossing! { [] GuestIsize:
    |width| by_width(width, Type::I32, Type::I64),
    |arguments| Self(arguments.signed_word()),
    |value, call| call.set_result(value.0 as u64)
}

macro_rules! pointers {
    ($($ty:ident => $code:ident, $of:ty);*) => {$(
        impl<T> InGuest for $of {
            type Type = $ty<T>;
        }

        impl<T> From<$ty<T>> for u64 {
            fn from(pointer: $ty<T>) -> Self {
                pointer.address
            }
        }

        crossing! { [T] $ty<T>:
            |_| Type::$code,
            |arguments| Self { address: arguments.word(), to: PhantomData },
            |value, call| call.set_result(value.address)
        }
    )*};
}

pointers!(GuestPtr => Pointer, *mut T; GuestConstPtr => ConstPointer, *const T);

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

/// A host function without its types. Boxed, because a call would have to compute where a closure is behind the counts
/// of `Rc`.
pub(super) type Erased = Rc<Box<dyn Fn(&mut Call)>>;

/// A host function with its prototype.
pub(super) struct Provided {
    signature: Prototype,
    pub(super) function: Erased,
}

enum Prototype {
    /// That of a closure's types.
    Typed(fn(Width) -> Signature),
    /// The same on each guest.
    Fixed(Signature),
}

impl Provided {
    pub(super) fn new<A, F: HostFunction<A>>(function: F) -> Self {
        Self {
            signature: Prototype::Typed(F::signature),
            function: Rc::new(function.erase()),
        }
    }

    pub(super) fn with(signature: Signature, function: impl Fn(&mut Call, &[Value]) -> Value + 'static) -> Self {
        let function = move |call: &mut Call| {
            let mut arguments = call.arguments();
            let mut values = [Value::Unit; Signature::MAX_ARGUMENTS];
            let mut count = 0;
            for (value, ty) in values.iter_mut().zip(signature.arguments()) {
                *value = Value::take(ty, &mut arguments);
                count += 1;
            }
            function(call, &values[..count]).give(signature.result(), call);
        };
        Self {
            signature: Prototype::Fixed(signature),
            function: Rc::new(Box::new(function)),
        }
    }

    pub(super) fn signature(&self, width: Width) -> Signature {
        match self.signature {
            Prototype::Typed(signature) => signature(width),
            Prototype::Fixed(signature) => signature,
        }
    }
}

/// An argument or a result of a function whose prototype is known only when the program runs, see
/// [`Builder::provide_with`](super::Builder::provide_with).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// No result.
    Unit,
    /// An integer without a sign, or the address that is in a pointer.
    Unsigned(u64),
    /// An integer with a sign.
    Signed(i64),
    /// A float.
    Float(f64),
}

impl Value {
    /// Takes the next argument, which has that type.
    fn take(ty: Type, arguments: &mut Arguments<'_>) -> Self {
        match ty {
            Type::Unit | Type::Never => Self::Unit,
            Type::I8 => Self::Signed(i8::take(arguments).into()),
            Type::U8 => Self::Unsigned(u8::take(arguments).into()),
            Type::I16 => Self::Signed(i16::take(arguments).into()),
            Type::U16 => Self::Unsigned(u16::take(arguments).into()),
            Type::I32 => Self::Signed(i32::take(arguments).into()),
            Type::U32 => Self::Unsigned(u32::take(arguments).into()),
            Type::I64 => Self::Signed(i64::take(arguments)),
            Type::U64 => Self::Unsigned(u64::take(arguments)),
            Type::Pointer | Type::ConstPointer => Self::Unsigned(arguments.word()),
            Type::F32 => Self::Float(f32::take(arguments).into()),
            Type::F64 => Self::Float(f64::take(arguments)),
        }
    }

    /// Leaves it as a result of that type.
    fn give(self, ty: Type, call: &mut Call) {
        let bits = match self {
            Self::Unit => 0,
            Self::Unsigned(value) => value,
            Self::Signed(value) => value as u64,
            Self::Float(value) => value as i64 as u64,
        };
        let float = match self {
            Self::Unit => 0.0,
            Self::Unsigned(value) => value as f64,
            Self::Signed(value) => value as f64,
            Self::Float(value) => value,
        };
        match ty {
            Type::Unit => {}
            // Nobody takes the guest on from here.
            Type::Never => {
                call.stop(Exit::Fatal(0));
            }
            Type::I8 => (bits as i8).give(call),
            Type::U8 => (bits as u8).give(call),
            Type::I16 => (bits as i16).give(call),
            Type::U16 => (bits as u16).give(call),
            Type::I32 => (bits as i32).give(call),
            Type::U32 => (bits as u32).give(call),
            Type::I64 | Type::U64 | Type::Pointer | Type::ConstPointer => call.set_result(bits),
            Type::F32 => (float as f32).give(call),
            Type::F64 => float.give(call),
        }
    }
}

/// A closure that can be an external function: `Fn(&mut Call, A, ..) -> R` with up to fourteen arguments.
pub trait HostFunction<Arguments>: 'static {
    /// Its prototype on a guest of that width.
    fn signature(width: Width) -> Signature;
    /// The closure as a function that finds its arguments in the call.
    fn erase(self) -> Box<dyn Fn(&mut Call)>;
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
            fn erase(self) -> Box<dyn Fn(&mut Call)> {
                Box::new(move |call: &mut Call| {
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

/// The names of a list, and closures with its prototypes.
macro_rules! closures {
    ($(
        $(#[$_attribute:meta])*
        pub $(safe $($_never:lifetime)?)? fn $name:ident($($argument:ident: $type:ty),*) $(-> $_result:ty)?;
    )*) => {
        [$((
            stringify!($name),
            Provided::new(|call: &mut Call $(, $argument: <$type as InGuest>::Type)*| {
                call.guest().$name($($argument.into()),*)
            }),
        )),*]
    };
}

pub(super) fn interface() -> impl Iterator<Item = (&'static str, Provided)> {
    interface_functions!(offered_functions, [closures] []).into_iter()
}

pub(super) fn l4rtems() -> impl Iterator<Item = (&'static str, Provided)> {
    l4rtems_functions!(offered_functions, [closures] []).into_iter()
}
