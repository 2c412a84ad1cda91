// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers by their numbers in DWARF (System V ABI, i386 supplement table 2.14, AMD64 supplement figure 3.36), and
//! the rules by which a caller's follow from them.

use gimli::{
    CfaRule, EvaluationResult, Register, RegisterRule, UnwindExpression, UnwindSection, UnwindTableRow, Value,
};
use paravirt_abi::signature::Width;

use super::super::budget::Budget;
use super::super::memory::{self, ReadMemory};
use super::{Bytes, WalkEnd};
use crate::fault::Registers;

/// Registers that are kept: the general ones and the instruction pointer; of i386 fewer.
const COUNT: usize = 17;
/// Operations of an expression; compilers write less than ten.
const MAX_OPERATIONS: u32 = 256;

/// The registers of a frame.
#[derive(Clone, Debug)]
pub struct State {
    width: Width,
    /// By DWARF's numbers; `None`: not known.
    values: [Option<u64>; COUNT],
}

impl State {
    /// A guest's own.
    pub(super) fn new(registers: &Registers, width: Width) -> Self {
        // rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp
        let numbers: [usize; 8] = match width {
            Width::Bits64 => [0, 3, 2, 1, 4, 5, 6, 7],
            Width::Bits32 => [0, 3, 1, 2, 6, 7, 5, 4],
        };
        let mut state = Self {
            width,
            values: [None; COUNT],
        };
        for (number, value) in numbers.into_iter().zip(registers.general) {
            state.values[number] = Some(value);
        }
        if width == Width::Bits64 {
            for (number, value) in (8..16).zip(&registers.general[8..]) {
                state.values[number] = Some(*value);
            }
        }
        state.values[state.instruction_number()] = Some(registers.instruction);
        state
    }

    pub(super) const fn width(&self) -> Width {
        self.width
    }

    pub(super) fn instruction(&self) -> u64 {
        self.values[self.instruction_number()].unwrap_or_default()
    }

    pub(super) fn stack(&self) -> u64 {
        self.values[self.stack_number()].unwrap_or_default()
    }

    pub(super) const fn frame_pointer(&self) -> Option<u64> {
        self.values[match self.width {
            Width::Bits32 => 5,
            Width::Bits64 => 6,
        }]
    }

    /// The caller's, where the stack pointer is at the return address.
    pub(super) fn pop(&mut self, memory: &dyn ReadMemory) -> Result<(), WalkEnd> {
        let stack = self.stack();
        let caller = memory::pointer(memory, stack, self.width).ok_or(WalkEnd::NoStack(stack))?;
        self.values[self.instruction_number()] = Some(caller);
        self.values[self.stack_number()] = Some(stack.wrapping_add(self.word()));
        Ok(())
    }

    /// The caller's, where the frame pointer was followed.
    pub(super) const fn leave_frame(&mut self, instruction: u64, stack: u64, frame: u64) {
        self.values[self.instruction_number()] = Some(instruction);
        self.values[self.stack_number()] = Some(stack);
        let number = match self.width {
            Width::Bits32 => 5,
            Width::Bits64 => 6,
        };
        self.values[number] = Some(frame);
    }

    const fn instruction_number(&self) -> usize {
        match self.width {
            Width::Bits32 => 8,
            Width::Bits64 => 16,
        }
    }

    const fn stack_number(&self) -> usize {
        match self.width {
            Width::Bits32 => 4,
            Width::Bits64 => 7,
        }
    }

    const fn word(&self) -> u64 {
        match self.width {
            Width::Bits32 => 4,
            Width::Bits64 => 8,
        }
    }

    /// An address as the guest computes it.
    const fn wrap(&self, address: u64) -> u64 {
        match self.width {
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
        caller.values[caller.stack_number()] = Some(cfa);
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
                    let value = memory::pointer(self.memory, address, self.state.width);
                    Some(value.ok_or(WalkEnd::NoStack(address))?)
                }
                RegisterRule::ValOffset(offset) => Some(self.state.wrap(cfa.wrapping_add_signed(*offset))),
                RegisterRule::Register(other) => self.state.get(*other),
                RegisterRule::Expression(expression) => {
                    let address = self.evaluate(expression, Some(cfa), section, encoding).ok_or(bad)?;
                    let value = memory::pointer(self.memory, address, self.state.width);
                    Some(value.ok_or(WalkEnd::NoStack(address))?)
                }
                RegisterRule::ValExpression(expression) => self.evaluate(expression, Some(cfa), section, encoding),
                _ => return Err(bad),
            };
        }
        let instruction = caller.get(return_address).ok_or(bad)?;
        caller.values[caller.instruction_number()] = Some(instruction);
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
