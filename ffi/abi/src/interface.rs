// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions of version 1, with their prototypes.

use crate::signature::{Signature, Type, Width};

/// A type of an interface function: as in [`Type`], or of the guest's pointer width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceType {
    /// The same on every architecture.
    Fixed(Type),
    /// `usize` of the guest.
    Usize,
    /// `isize` of the guest.
    Isize,
}

impl InterfaceType {
    /// The type on a guest of that pointer width.
    #[must_use]
    pub const fn on(self, width: Width) -> Type {
        match (self, width) {
            (Self::Fixed(fixed), _) => fixed,
            (Self::Usize, Width::Bits32) => Type::U32,
            (Self::Usize, Width::Bits64) => Type::U64,
            (Self::Isize, Width::Bits32) => Type::I32,
            (Self::Isize, Width::Bits64) => Type::I64,
        }
    }
}

/// One interface function.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceFunction {
    /// Its name, as in the string section.
    pub name: &'static str,
    /// Its result.
    pub result: InterfaceType,
    /// Its arguments.
    pub arguments: &'static [InterfaceType],
    /// What it does, in a line.
    pub summary: &'static str,
}

impl InterfaceFunction {
    /// The prototype word on a guest of that pointer width.
    #[must_use]
    pub const fn signature(&self, width: Width) -> Signature {
        let mut arguments = [Type::U8; Signature::MAX_ARGUMENTS];
        let mut i = 0;
        while i < self.arguments.len() {
            arguments[i] = self.arguments[i].on(width);
            i += 1;
        }
        Signature::new(self.result.on(width), arguments.split_at(self.arguments.len()).0)
    }
}

/// The function of that name, if version 1 has it.
#[must_use]
pub fn find(name: &str) -> Option<&'static InterfaceFunction> {
    FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()
        .map(|index| &FUNCTIONS[index])
}

pub(crate) const I32: InterfaceType = InterfaceType::Fixed(Type::I32);
const I64: InterfaceType = InterfaceType::Fixed(Type::I64);
const U16: InterfaceType = InterfaceType::Fixed(Type::U16);
pub(crate) const U32: InterfaceType = InterfaceType::Fixed(Type::U32);
pub(crate) const U64: InterfaceType = InterfaceType::Fixed(Type::U64);
pub(crate) const UNIT: InterfaceType = InterfaceType::Fixed(Type::Unit);
const NEVER: InterfaceType = InterfaceType::Fixed(Type::Never);
const POINTER: InterfaceType = InterfaceType::Fixed(Type::Pointer);
const CONST_POINTER: InterfaceType = InterfaceType::Fixed(Type::ConstPointer);
use InterfaceType::{Isize, Usize};

pub(crate) const fn function(
    name: &'static str,
    arguments: &'static [InterfaceType],
    result: InterfaceType,
    summary: &'static str,
) -> InterfaceFunction {
    InterfaceFunction {
        name,
        result,
        arguments,
        summary,
    }
}

/// Every interface function of version 1, sorted by name.
pub const FUNCTIONS: [InterfaceFunction; 16] = [
    function("pv_clock_now", &[], U64, "monotonic time since the guest's start, ns"),
    function("pv_clock_wall", &[], U64, "Unix time, ns"),
    function(
        "pv_console_read",
        &[POINTER, Usize],
        Isize,
        "bytes read, 0 if none, EndOfInput after the last",
    ),
    function("pv_console_write", &[CONST_POINTER, Usize], Isize, "bytes taken"),
    function("pv_cpu_idle", &[], UNIT, "returns when a line is pending"),
    function("pv_cpu_set_tls", &[Usize], I32, "set the base of thread-local storage"),
    function("pv_irq_attach", &[U32], I32, "claim a line and unmask it"),
    function("pv_irq_detach", &[U32], I32, "mask a line and give it up"),
    function("pv_irq_mask", &[U32], I32, "keep a line from becoming pending"),
    function("pv_irq_raise", &[U32], I32, "raise a line by software"),
    function(
        "pv_irq_unmask",
        &[U32],
        I32,
        "let a line become pending; delivers what was raised meanwhile",
    ),
    function(
        "pv_port_in",
        &[U16, U32],
        I64,
        "read an x86 port of that width in bytes",
    ),
    function(
        "pv_port_out",
        &[U16, U32, U32],
        I32,
        "write an x86 port of that width in bytes",
    ),
    function("pv_shutdown", &[U32, I32], NEVER, "stop with a reason and a code"),
    function(
        "pv_timer_start",
        &[U32, U64, U64],
        I32,
        "start a timer: first expiration from now, then period (0: once), ns",
    ),
    function("pv_timer_stop", &[U32], I32, "stop a timer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_for_the_search() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(FUNCTIONS.iter().all(|f| find(f.name).is_some()));
        assert!(find("pv_nothing").is_none());
    }

    #[test]
    fn a_size_has_the_width_of_the_guest() {
        let write = find("pv_console_write").expect("version 1 has it");
        assert_ne!(write.signature(Width::Bits32), write.signature(Width::Bits64));
    }
}
