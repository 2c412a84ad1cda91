// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prototypes as text, in Rust's notation.

use alloc::string::String;
use alloc::vec::Vec;

use paravirt_abi::signature::{Signature, Type, Width};

use crate::image::Machine;
use crate::text::beginning;

/// Why a text is no prototype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrototypeError {
    /// Not of the form `fn(..)`.
    #[error("{0:?} does not have the form `fn(u32, *mut u8) -> i32`")]
    Form(String),
    /// A type that cannot cross the ABI.
    #[error(
        "type {0:?} is unknown; allowed are i8 to i64, u8 to u64, isize, usize, f32, f64, `*const T`, `*mut T`, \
         as results also `()` and `!`"
    )]
    Type(String),
    /// More arguments than the word holds.
    #[error("{0} arguments are more than {max}", max = Signature::MAX_ARGUMENTS)]
    TooMany(usize),
}

/// Reads a prototype such as `fn(u32, *mut u8) -> i32` for guests of that pointer width. Names of arguments may stand
/// before the types.
///
/// # Errors
/// Says which part cannot be read.
pub fn parse(text: &str, width: Width) -> Result<Signature, PrototypeError> {
    let form = || PrototypeError::Form(beginning(text));
    let (arguments, result) = text
        .trim()
        .strip_prefix("fn")
        .and_then(|rest| rest.trim_start().strip_prefix('('))
        .map(|rest| match rest.rsplit_once("->") {
            Some((arguments, result)) => (arguments, result.trim()),
            None => (rest, "()"),
        })
        .ok_or_else(form)?;
    let arguments = arguments.trim_end().strip_suffix(')').ok_or_else(form)?.trim();
    let arguments = arguments.strip_suffix(',').unwrap_or(arguments);
    let types = match arguments {
        "" => Vec::new(),
        some => some
            .split(',')
            .map(|argument| {
                let ty = argument.rsplit(':').next().unwrap_or(argument).trim();
                parse_type(ty, width)
                    .filter(|ty| ty.is_argument())
                    .ok_or_else(|| PrototypeError::Type(beginning(argument.trim())))
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    if types.len() > Signature::MAX_ARGUMENTS {
        return Err(PrototypeError::TooMany(types.len()));
    }
    let result = parse_type(result, width).ok_or_else(|| PrototypeError::Type(beginning(result)))?;
    Ok(Signature::new(result, &types))
}

/// The type of a name; what a pointer points to does not matter.
fn parse_type(text: &str, width: Width) -> Option<Type> {
    let points = |keyword: &str| {
        text.strip_prefix('*')
            .and_then(|rest| rest.trim_start().strip_prefix(keyword))
            .is_some_and(|pointee| pointee.starts_with(char::is_whitespace))
    };
    match (text, width) {
        ("usize", Width::Bits32) => Some(Type::U32),
        ("usize", Width::Bits64) => Some(Type::U64),
        ("isize", Width::Bits32) => Some(Type::I32),
        ("isize", Width::Bits64) => Some(Type::I64),
        _ if points("mut") => Some(Type::Pointer),
        _ if points("const") => Some(Type::ConstPointer),
        _ => (0..16).filter_map(Type::from_code).find(|ty| ty.rust() == text),
    }
}

/// Bytes of the arguments that are passed on the stack to a function of a guest for i386, x86-64 (System V ABI) or
/// AArch64 (AAPCS64).
#[must_use]
pub fn stack_bytes(signature: Signature, machine: Machine) -> u64 {
    match machine.width() {
        Width::Bits32 => signature
            .arguments()
            .map(|ty| match ty {
                Type::I64 | Type::U64 | Type::F64 => 8,
                _ => 4,
            })
            .sum(),
        Width::Bits64 => {
            let floats = signature
                .arguments()
                .filter(|ty| matches!(ty, Type::F32 | Type::F64))
                .count();
            let integers = signature.arguments().count() - floats;
            let registers = if machine == Machine::X86_64 { 6 } else { 8 };
            8 * (integers.saturating_sub(registers) + floats.saturating_sub(8)) as u64
        }
    }
}

/// Returns whether C could call a function of that name.
#[must_use]
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn reads_what_a_rust_programmer_would_write() {
        let expected = Signature::new(Type::I32, &[Type::U32, Type::Pointer, Type::ConstPointer]);
        for text in [
            "fn(u32, *mut c_void, *const c_void) -> i32",
            "  fn ( a: u32, b: * mut u8, c: *const [u8; 4], )->i32 ",
        ] {
            assert_eq!(parse(text, Width::Bits32), Ok(expected), "{text}");
        }
        assert_eq!(parse("fn()", Width::Bits32), Ok(Signature::new(Type::Unit, &[])));
        assert_eq!(
            parse("fn(isize) -> !", Width::Bits64),
            Ok(Signature::new(Type::Never, &[Type::I64]))
        );
    }

    #[test]
    fn says_what_it_cannot_read() {
        let error = |text: &str| parse(text, Width::Bits64).unwrap_err();
        assert!(matches!(error("u32"), PrototypeError::Form(_)));
        assert!(matches!(error("fn(u32"), PrototypeError::Form(_)));
        assert_eq!(error("fn(x: bool)"), PrototypeError::Type("x: bool".into()));
        assert_eq!(error("fn(())"), PrototypeError::Type("()".into()));
        assert_eq!(error("fn() -> &u8"), PrototypeError::Type("&u8".into()));
        assert_eq!(error("fn(*mutable)"), PrototypeError::Type("*mutable".into()));
        let many = format!("fn({})", ["u8"; 15].join(","));
        assert_eq!(error(&many), PrototypeError::TooMany(15));
    }

    #[test]
    fn arguments_take_what_the_abi_gives_them_on_the_stack() {
        for (text, on_i386, on_x86_64, on_aarch64) in [
            ("fn()", 0, 0, 0),
            ("fn(u8, i16, u32, *const u8)", 16, 0, 0),
            ("fn(i64, u64, f64, f32)", 28, 0, 0),
            ("fn(u64, u64, u64, u64, u64, u64)", 48, 0, 0),
            ("fn(u64, u64, u64, u64, u64, u64, u8)", 52, 8, 0),
            ("fn(u64, u64, u64, u64, u64, u64, u8, u8, u8)", 60, 24, 8),
            ("fn(f64, f64, f64, f64, f64, f64, f64, f64)", 64, 0, 0),
            ("fn(f64, f64, f64, f64, f64, f64, f64, f64, f32, f32)", 72, 16, 16),
            ("fn(f64, u8, f64, u8, u8, u8, u8, u8, u8, u8)", 48, 16, 0),
        ] {
            for (machine, expected) in [
                (Machine::I386, on_i386),
                (Machine::X86_64, on_x86_64),
                (Machine::Aarch64, on_aarch64),
            ] {
                let signature = parse(text, machine.width()).expect("a prototype");
                assert_eq!(stack_bytes(signature, machine), expected, "{text} {machine}");
            }
        }
    }

    proptest! {
        #[test]
        fn reads_back_every_prototype_it_prints(
            result in 1u8..=14,
            arguments in prop::collection::vec(3u8..=14, 0..=Signature::MAX_ARGUMENTS),
        ) {
            let types: Vec<_> = arguments.into_iter().filter_map(Type::from_code).collect();
            let signature = Signature::new(Type::from_code(result).unwrap(), &types);
            prop_assert_eq!(parse(&signature.to_string(), Width::Bits32), Ok(signature));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse(&text, Width::Bits64);
        }
    }
}
