// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers by their numbers in DWARF (System V ABI, i386 supplement table 2.14, AMD64 supplement figure 3.36; DWARF
//! for the Arm 64-bit Architecture, 4.1), and the rules by which a caller's follow from them.

use gimli::{
    CfaRule, EvaluationResult, Register, RegisterRule, UnwindExpression, UnwindSection, UnwindTableRow, Value,
};
use paravirt_abi::signature::Width;

use super::super::budget::Budget;
use super::super::memory::{self, ReadMemory};
use super::{Bytes, WalkEnd};
use crate::fault::{Aarch64Registers, AnyRegisters, Registers};
use crate::image::pointer_size;

/// Registers that are kept: the general ones, stack pointer and instruction pointer; of x86 fewer.
const COUNT: usize = 33;
/// Operations of an expression; compilers write less than ten.
const MAX_OPERATIONS: u32 = 256;

/// Which registers have a meaning for callers, by their numbers.
#[derive(Debug)]
struct Numbers {
    width: Width,
    instruction: usize,
    stack: usize,
    frame_pointer: usize,
    /// Where a call leaves its return address; `None`: on the stack.
    link: Option<usize>,
}

static I386: Numbers = Numbers {
    width: Width::Bits32,
    instruction: 8,
    stack: 4,
    frame_pointer: 5,
    link: None,
};
static X86_64: Numbers = Numbers {
    width: Width::Bits64,
    instruction: 16,
    stack: 7,
    frame_pointer: 6,
    link: None,
};
static AARCH64: Numbers = Numbers {
    width: Width::Bits64,
    instruction: 32,
    stack: 31,
    frame_pointer: 29,
    link: Some(30),
};

/// The registers of a frame.
#[derive(Clone, Debug)]
pub struct State {
    numbers: &'static Numbers,
    /// By DWARF's numbers; `None`: not known.
    values: [Option<u64>; COUNT],
}

impl State {
    /// A guest's own.
    pub(super) fn new(registers: &AnyRegisters, width: Width) -> Self {
        match (registers, width) {
            (AnyRegisters::X86(registers), Width::Bits32) => Self::of_x86(&I386, [0, 3, 1, 2, 6, 7, 5, 4], registers),
            (AnyRegisters::X86(registers), Width::Bits64) => {
                let mut state = Self::of_x86(&X86_64, [0, 3, 2, 1, 4, 5, 6, 7], registers);
                for (place, value) in state.values[8..16].iter_mut().zip(&registers.general[8..]) {
                    *place = Some(*value);
                }
                state
            }
            (AnyRegisters::Aarch64(registers), _) => {
                let Aarch64Registers {
                    general,
                    stack,
                    instruction,
                    ..
                } = registers;
                let mut values = [None; COUNT];
                for (place, value) in values.iter_mut().zip(general.iter().chain([stack, instruction])) {
                    *place = Some(*value);
                }
                Self {
                    numbers: &AARCH64,
                    values,
                }
            }
        }
    }

    /// `general`: the numbers of rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp.
    fn of_x86(numbers: &'static Numbers, general: [usize; 8], registers: &Registers) -> Self {
        let mut values = [None; COUNT];
        for (number, value) in general.into_iter().zip(registers.general) {
            values[number] = Some(value);
        }
        values[numbers.instruction] = Some(registers.instruction);
        Self { numbers, values }
    }

    pub(super) const fn width(&self) -> Width {
        self.numbers.width
    }

    pub(super) fn instruction(&self) -> u64 {
        self.values[self.numbers.instruction].unwrap_or_default()
    }

    pub(super) fn stack(&self) -> u64 {
        self.values[self.numbers.stack].unwrap_or_default()
    }

    pub(super) const fn frame_pointer(&self) -> Option<u64> {
        self.values[self.numbers.frame_pointer]
    }

    /// Where the function returns to that has just been called.
    pub(super) fn return_address(&self, memory: &dyn ReadMemory) -> Option<u64> {
        match self.numbers.link {
            Some(link) => self.values[link],
            None => memory::pointer(memory, self.stack(), self.width()),
        }
    }

    /// The caller's, of a function that has just been called.
    pub(super) fn pop(&mut self, memory: &dyn ReadMemory) -> Result<(), WalkEnd> {
        let stack = self.stack();
        let caller = self.return_address(memory).ok_or(WalkEnd::NoStack(stack))?;
        self.values[self.numbers.instruction] = Some(caller);
        if self.numbers.link.is_none() {
            self.values[self.numbers.stack] = Some(stack.wrapping_add(self.word()));
        }
        Ok(())
    }

    /// The caller's, where the frame pointer was followed.
    pub(super) const fn leave_frame(&mut self, instruction: u64, stack: u64, frame: u64) {
        self.values[self.numbers.instruction] = Some(instruction);
        self.values[self.numbers.stack] = Some(stack);
        self.values[self.numbers.frame_pointer] = Some(frame);
    }

    const fn word(&self) -> u64 {
        pointer_size(self.width())
    }

    /// An address as the guest computes it.
    const fn wrap(&self, address: u64) -> u64 {
        match self.width() {
            Width::Bits32 => address as u32 as u64,
            Width::Bits64 => address,
        }
    }

    fn get(&self, register: Register) -> Option<u64> {
        *self.values.get(usize::from(register.0))?
    }
}

/// A frame's registers, and what rules are applied with.
pub(super) struct Machine<'a> {
    pub(super) state: &'a mut State,
    pub(super) memory: &'a dyn ReadMemory,
    pub(super) budget: &'a Budget,
}

impl Machine<'_> {
    /// Applies a row of the tables: the registers become the caller's. `return_address` is the column that stands for
    /// its instruction pointer.
    pub(super) fn apply<'a, S: UnwindSection<Bytes<'a>>>(
        &mut self,
        row: &UnwindTableRow<usize>,
        return_address: Register,
        section: &S,
        encoding: gimli::Encoding,
    ) -> Result<(), WalkEnd> {
        let at = self.state.instruction();
        let bad = WalkEnd::BadTable(at);
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                let base = self.state.get(*register).ok_or(bad)?;
                base.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None, section, encoding).ok_or(bad)?,
        };
        let cfa = self.state.wrap(cfa);
        let mut caller = self.state.clone();
        caller.values[caller.numbers.stack] = Some(cfa);
        // What no rule is for stays as it was: the compilers mean it so for what a function preserves.
        for &(register, ref rule) in row.registers() {
            let Some(place) = caller.values.get_mut(usize::from(register.0)) else {
                continue;
            };
            *place = match rule {
                RegisterRule::Undefined if register == return_address => return Err(WalkEnd::Outermost),
                RegisterRule::Undefined => None,
                RegisterRule::SameValue => continue,
                RegisterRule::Offset(offset) => {
                    let address = self.state.wrap(cfa.wrapping_add_signed(*offset));
                    let value = memory::pointer(self.memory, address, self.state.width());
                    Some(value.ok_or(WalkEnd::NoStack(address))?)
                }
                RegisterRule::ValOffset(offset) => Some(self.state.wrap(cfa.wrapping_add_signed(*offset))),
                RegisterRule::Register(other) => self.state.get(*other),
                RegisterRule::Expression(expression) => {
                    let address = self.evaluate(expression, Some(cfa), section, encoding).ok_or(bad)?;
                    let value = memory::pointer(self.memory, address, self.state.width());
                    Some(value.ok_or(WalkEnd::NoStack(address))?)
                }
                RegisterRule::ValExpression(expression) => self.evaluate(expression, Some(cfa), section, encoding),
                _ => return Err(bad),
            };
        }
        let instruction = caller.get(return_address).ok_or(bad)?;
        caller.values[caller.numbers.instruction] = Some(instruction);
        *self.state = caller;
        Ok(())
    }

    fn evaluate<'a, S: UnwindSection<Bytes<'a>>>(
        &self,
        expression: &UnwindExpression<usize>,
        initial: Option<u64>,
        section: &S,
        encoding: gimli::Encoding,
    ) -> Option<u64> {
        let mut evaluation = expression.get(section).ok()?.evaluation(encoding);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(value) = initial {
            evaluation.set_initial_value(value);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            self.budget.spend(1).ok()?;
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let mut bytes = [0; 8];
                    let wanted = bytes.get_mut(..usize::from(size))?;
                    let got = self.memory.read(address, wanted);
                    if got != wanted.len() {
                        return None;
                    }
                    let value = Value::Generic(u64::from_le_bytes(bytes));
                    evaluation.resume_with_memory(value).ok()?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.state.get(register)?);
                    evaluation.resume_with_register(value).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result().last()?.location {
            gimli::Location::Address { address } => Some(self.state.wrap(address)),
            _ => None,
        }
    }
}
