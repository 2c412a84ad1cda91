// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prototype word: arity, widths and classes of a function's types in 64 bits.
//!
//! Nibble 0 (the lowest) is the result, nibbles 1 to 14 are the arguments in order, unused ones 0. Nibble 15 is the
//! format, 1. C computes the same word with `_Generic`, C++ with templates (`ffi/include/paravirt/external.h`).
//!
//! # What can cross
//!
//! The same in the three languages, as an argument and as a result:
//!
//! | | Rust | C | C++ |
//! |---|---|---|---|
//! | integers of 8 to 64 bits | `i8` to `i64`, `u8` to `u64`, `isize`, `usize` | all of that size, `char` too | and `wchar_t`, `char8_t`, `char16_t`, `char32_t` |
//! | enumerations | no: pass the number, and check it | as their integer | as their underlying type, scoped ones too |
//! | floats | `f32`, `f64` | `float`, `double` | the same |
//! | pointers to objects, also incomplete ones, arrays, pointers | `*mut T`, `*const T` | `T *`, `const T *` | the same |
//! | qualifiers of the type itself | | `const`, `volatile`, `restrict` mean nothing | `const`, `volatile`, `__restrict` the same |
//! | qualifiers behind a pointer | `*const` | `const`; the others mean nothing | the same |
//!
//! Nothing else: no `bool` (not every bit pattern is one), in Rust no `char`, reference, `NonNull`, `Option` or type
//! with a niche for the same reason; no function and no pointer to one (`fn()`, `void (*)(void)`): an address of code
//! means nothing to a host; no array, which C would silently pass as a pointer; no slice, trait object or pointer to a
//! member, which are more than an address; no structure, union or class, nor atomics, vectors, complex numbers; no
//! `long double`, `_Float16`, `_BitInt`, `__int128`. `void` and `!` are results only.

use core::fmt;

/// Pointer width of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// i386, armv7.
    Bits32,
    /// x86-64, aarch64, riscv64.
    Bits64,
}

impl Width {
    /// That of the target.
    const HERE: Self = if size_of::<usize>() == 4 {
        Self::Bits32
    } else {
        Self::Bits64
    };
}

/// Makes the type of its types: what each is, its name, its code, and its names in Rust and in C.
macro_rules! types {
    ($($(#[$documentation:meta])* $name:ident = $code:literal, $rust:literal, $c:literal;)*) => {
        /// Type codes, one nibble each. 0 means "no more arguments".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Type {
            $($(#[$documentation])* $name = $code,)*
        }

        impl Type {
            /// The type of a nibble; `None` for 0 and 15.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The type in Rust.
            #[must_use]
            pub const fn rust(self) -> &'static str {
                match self {
                    $(Self::$name => $rust,)*
                }
            }

            /// The type in C.
            #[must_use]
            pub const fn c(self) -> &'static str {
                match self {
                    $(Self::$name => $c,)*
                }
            }
        }
    };
}

types! {
    /// No result.
    Unit = 1, "()", "void";
    /// The function does not return.
    Never = 2, "!", "void";
    /// Signed, 8 bits.
    I8 = 3, "i8", "int8_t";
    /// Unsigned, 8 bits.
    U8 = 4, "u8", "uint8_t";
    /// Signed, 16 bits.
    I16 = 5, "i16", "int16_t";
    /// Unsigned, 16 bits.
    U16 = 6, "u16", "uint16_t";
    /// Signed, 32 bits.
    I32 = 7, "i32", "int32_t";
    /// Unsigned, 32 bits.
    U32 = 8, "u32", "uint32_t";
    /// Signed, 64 bits.
    I64 = 9, "i64", "int64_t";
    /// Unsigned, 64 bits.
    U64 = 10, "u64", "uint64_t";
    /// Pointer through which the host may write.
    Pointer = 11, "*mut c_void", "void *";
    /// Pointer through which the host only reads.
    ConstPointer = 12, "*const c_void", "const void *";
    /// IEEE 754, 32 bits.
    F32 = 13, "f32", "float";
    /// IEEE 754, 64 bits.
    F64 = 14, "f64", "double";
}

impl Type {
    /// Returns whether an argument may have this type; [`Type::Unit`] and [`Type::Never`] are results only.
    #[must_use]
    pub const fn is_argument(self) -> bool {
        !matches!(self, Self::Unit | Self::Never)
    }
}

/// A prototype word that is well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Signature(u64);

/// Why a word is no prototype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// Nibble 15 is not 1.
    Format(u8),
    /// A nibble holds no type (result: position 0).
    UnknownType {
        /// The nibble.
        position: usize,
        /// Its value.
        code: u8,
    },
    /// An argument follows an empty nibble.
    Gap {
        /// The nibble of the argument that follows.
        position: usize,
    },
    /// An argument is `()` or `!`.
    NotAnArgument {
        /// The nibble of the argument.
        position: usize,
    },
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => write!(f, "prototype format {format} is not 1"),
            Self::UnknownType { position: 0, code } => {
                write!(f, "result has unknown type code {code}")
            }
            Self::UnknownType { position, code } => {
                write!(f, "argument {position} has unknown type code {code}")
            }
            Self::Gap { position } => write!(f, "argument {position} follows a missing argument"),
            Self::NotAnArgument { position } => write!(f, "argument {position} is `()` or `!`"),
        }
    }
}

impl core::error::Error for SignatureError {}

impl Signature {
    /// A prototype has at most this many arguments.
    pub const MAX_ARGUMENTS: usize = 14;

    const FORMAT: u64 = 1;

    /// The word of a prototype.
    ///
    /// # Panics
    /// With more than [`Signature::MAX_ARGUMENTS`] arguments, or an argument of type `()` or `!`; in a constant that
    /// is a compile error.
    #[must_use]
    pub const fn new(result: Type, arguments: &[Type]) -> Self {
        assert!(
            arguments.len() <= Self::MAX_ARGUMENTS,
            "an external function has at most 14 arguments"
        );
        let mut word = Self::FORMAT << 60 | result as u64;
        let mut i = 0;
        while i < arguments.len() {
            assert!(arguments[i].is_argument(), "`()` and `!` are results, not arguments");
            word |= (arguments[i] as u64) << (4 * (i + 1));
            i += 1;
        }
        Self(word)
    }

    /// The prototype of a word read from an image.
    ///
    /// # Errors
    /// Says which nibble is wrong and how.
    pub const fn from_word(word: u64) -> Result<Self, SignatureError> {
        if word >> 60 != Self::FORMAT {
            return Err(SignatureError::Format((word >> 60) as u8));
        }
        let mut position = 0;
        let mut ended = false;
        while position <= Self::MAX_ARGUMENTS {
            let code = (word >> (4 * position)) as u8 & 15;
            match Type::from_code(code) {
                None if code == 0 && position > 0 => ended = true,
                None => return Err(SignatureError::UnknownType { position, code }),
                Some(_) if ended => return Err(SignatureError::Gap { position }),
                Some(found) if position > 0 && !found.is_argument() => {
                    return Err(SignatureError::NotAnArgument { position });
                }
                Some(_) => {}
            }
            position += 1;
        }
        Ok(Self(word))
    }

    /// The word.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// The result's type.
    #[must_use]
    pub fn result(self) -> Type {
        Type::from_code(self.0 as u8 & 15).unwrap_or(Type::Unit)
    }

    /// The arguments' types, in order.
    pub fn arguments(self) -> impl Iterator<Item = Type> + Clone {
        (1..=Self::MAX_ARGUMENTS).map_while(move |position| Type::from_code((self.0 >> (4 * position)) as u8 & 15))
    }

    /// Returns whether the result or an argument is an `f32` or `f64`.
    #[must_use]
    pub const fn has_floats(self) -> bool {
        let mut position = 0;
        while position <= Self::MAX_ARGUMENTS {
            if matches!(
                Type::from_code((self.0 >> (4 * position)) as u8 & 15),
                Some(Type::F32 | Type::F64)
            ) {
                return true;
            }
            position += 1;
        }
        false
    }

    /// Shows the prototype of `name` in C.
    #[must_use]
    pub const fn c(self, name: &str) -> CPrototype<'_> {
        CPrototype { signature: self, name }
    }
}

/// The prototype in Rust, without a name: `fn(u32, u64) -> i32`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fn(")?;
        for (i, argument) in self.arguments().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(argument.rust())?;
        }
        f.write_str(")")?;
        match self.result() {
            Type::Unit => Ok(()),
            result => write!(f, " -> {}", result.rust()),
        }
    }
}

/// See [`Signature::c`].
#[derive(Clone, Copy, Debug)]
pub struct CPrototype<'a> {
    signature: Signature,
    name: &'a str,
}

impl fmt::Display for CPrototype<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = self.signature.result();
        if result == Type::Never {
            f.write_str("_Noreturn ")?;
        }
        let result = result.c();
        let space = if result.ends_with('*') { "" } else { " " };
        write!(f, "{result}{space}{}(", self.name)?;
        for (i, argument) in self.signature.arguments().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(argument.c())?;
        }
        if self.signature.arguments().next().is_none() {
            f.write_str("void")?;
        }
        f.write_str(")")
    }
}

/// A Rust type that may be an argument of an external function.
///
/// # Safety
/// `ON` must describe how the C ABI passes the type, and every bit pattern must be a valid value of it, because the
/// other side of the call is not checked by this compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an external function",
    label = "cannot cross the guest-host ABI",
    note = "allowed: i8 to i64, u8 to u64, isize, usize, f32, f64, *const T, *mut T",
    note = "a reference or slice: pass `*const T` and a length; the host checks both",
    note = "`bool` and `char`: not every bit pattern is valid; pass u8 or u32",
    note = "a struct, array or tuple: pass a pointer to it; a 128-bit integer: pass two u64"
)]
pub unsafe trait Argument {
    /// The type's code on a guest of each [`Width`].
    const ON: [Type; 2];
    /// The type's code on this target.
    const TYPE: Type = Self::ON[Width::HERE as usize];
}

/// A Rust type that may be the result of an external function.
///
/// # Safety
/// As for [`Argument`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an external function",
    label = "cannot cross the guest-host ABI",
    note = "allowed: (), !, i8 to i64, u8 to u64, isize, usize, f32, f64, *const T, *mut T",
    note = "`bool`, `char`, references and enums: the host could return an invalid value; return a number and check it",
    note = "a struct, array or tuple: let the caller pass a pointer to it"
)]
pub unsafe trait ReturnValue {
    /// The type's code on a guest of each [`Width`].
    const ON: [Type; 2];
}

macro_rules! plain_types {
    ($($ty:ty => $on:tt $(for $generic:ident)?),* $(,)?) => {$(
        // SAFETY: a plain number or a thin pointer of the C ABI, without invalid bit patterns.
        unsafe impl$(<$generic>)? Argument for $ty { const ON: [Type; 2] = $on; }
        // SAFETY: as above.
        unsafe impl$(<$generic>)? ReturnValue for $ty { const ON: [Type; 2] = $on; }
    )*};
}

plain_types! {
    i8 => [Type::I8; 2], u8 => [Type::U8; 2], i16 => [Type::I16; 2], u16 => [Type::U16; 2],
    i32 => [Type::I32; 2], u32 => [Type::U32; 2], i64 => [Type::I64; 2], u64 => [Type::U64; 2],
    isize => [Type::I32, Type::I64], usize => [Type::U32, Type::U64],
    f32 => [Type::F32; 2], f64 => [Type::F64; 2],
    *mut T => [Type::Pointer; 2] for T, *const T => [Type::ConstPointer; 2] for T,
}

// SAFETY: no value is passed.
unsafe impl ReturnValue for () {
    const ON: [Type; 2] = [Type::Unit; 2];
}

/// What a function type returns, the never type included: stable Rust can name `!` only as a function's result.
pub trait ResultOf {
    /// The result's code on a guest of each [`Width`].
    const ON: [Type; 2];
    /// The result's code on this target.
    const TYPE: Type = Self::ON[Width::HERE as usize];
}

impl<T: ReturnValue> ResultOf for fn() -> T {
    const ON: [Type; 2] = T::ON;
}

impl ResultOf for fn() -> ! {
    const ON: [Type; 2] = [Type::Never; 2];
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    const TIMER_START: Signature = Signature::new(Type::I32, &[Type::U32, Type::U64, Type::U64]);

    #[test]
    fn the_word_is_what_the_documentation_says() {
        assert_eq!(TIMER_START.word(), 0x1000_0000_0000_aa87);
        assert_eq!(Signature::from_word(TIMER_START.word()), Ok(TIMER_START));
    }

    #[test]
    fn prints_in_both_languages() {
        assert_eq!(TIMER_START.to_string(), "fn(u32, u64, u64) -> i32");
        assert_eq!(
            TIMER_START.c("f").to_string(),
            "int32_t f(uint32_t, uint64_t, uint64_t)"
        );
        assert_eq!(
            Signature::new(Type::Never, &[]).c("f").to_string(),
            "_Noreturn void f(void)"
        );
        assert_eq!(Signature::new(Type::Pointer, &[]).c("f").to_string(), "void *f(void)");
    }

    /// The table of the ABI's document.
    #[test]
    fn every_type_has_its_code_and_its_names() {
        let types = [
            (1, Type::Unit, "()", "void"),
            (2, Type::Never, "!", "void"),
            (3, Type::I8, "i8", "int8_t"),
            (4, Type::U8, "u8", "uint8_t"),
            (5, Type::I16, "i16", "int16_t"),
            (6, Type::U16, "u16", "uint16_t"),
            (7, Type::I32, "i32", "int32_t"),
            (8, Type::U32, "u32", "uint32_t"),
            (9, Type::I64, "i64", "int64_t"),
            (10, Type::U64, "u64", "uint64_t"),
            (11, Type::Pointer, "*mut c_void", "void *"),
            (12, Type::ConstPointer, "*const c_void", "const void *"),
            (13, Type::F32, "f32", "float"),
            (14, Type::F64, "f64", "double"),
        ];
        for (code, found, rust, c) in types {
            assert_eq!(Type::from_code(code), Some(found));
            assert_eq!((found.rust(), found.c()), (rust, c));
            assert_eq!(found.is_argument(), code > 2, "{rust}");
            let result = Signature::from_word(1 << 60 | u64::from(code)).expect("a prototype");
            assert_eq!((result.result(), result.arguments().next()), (found, None));
        }
        assert_eq!((Type::from_code(0), Type::from_code(15)), (None, None));
    }

    #[test]
    fn messages_say_which_type_is_wrong() {
        for (error, text) in [
            (SignatureError::Format(2), "prototype format 2 is not 1"),
            (
                SignatureError::UnknownType { position: 0, code: 15 },
                "result has unknown type code 15",
            ),
            (
                SignatureError::UnknownType { position: 4, code: 15 },
                "argument 4 has unknown type code 15",
            ),
            (
                SignatureError::Gap { position: 5 },
                "argument 5 follows a missing argument",
            ),
            (
                SignatureError::NotAnArgument { position: 4 },
                "argument 4 is `()` or `!`",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn malformed_words_are_named() {
        let word = TIMER_START.word();
        for format in [0, 2, 15] {
            assert_eq!(
                Signature::from_word(word & !(15 << 60) | u64::from(format) << 60),
                Err(SignatureError::Format(format))
            );
        }
        assert_eq!(
            Signature::from_word(word & !15),
            Err(SignatureError::UnknownType { position: 0, code: 0 })
        );
        assert_eq!(
            Signature::from_word(word | 15 << 16),
            Err(SignatureError::UnknownType { position: 4, code: 15 })
        );
        assert_eq!(
            Signature::from_word(word | 8 << 20),
            Err(SignatureError::Gap { position: 5 })
        );
        assert_eq!(
            Signature::from_word(word | 2 << 16),
            Err(SignatureError::NotAnArgument { position: 4 })
        );
    }

    #[test]
    fn the_longest_prototype_fits() {
        let longest = Signature::new(Type::F64, &[Type::F32; Signature::MAX_ARGUMENTS]);
        assert_eq!(longest.arguments().count(), 14);
        assert_eq!(Signature::from_word(longest.word()), Ok(longest));
    }
}
