// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's registers and the top of its stack, as it tells them on the debug console before its last words, see
//! `bsp/src/last_state`.

use std::collections::BTreeMap;

use paravirt_abi::signature::Width;

use crate::debug::backtrace::Backtrace;
use crate::debug::memory::ReadMemory;
use crate::fault::{Aarch64Registers, AnyRegisters, Registers};
use crate::image::{Image, Machine};

/// More words of a stack are not kept; a guest tells a thousand.
const MOST: usize = 1 << 14;

/// More registers are not kept; a guest tells half as many.
const MOST_REGISTERS: usize = 64;

/// What a guest has told of its state.
#[derive(Debug, Default)]
pub(super) struct LastState {
    /// The general ones in their order, on AArch64 the stack pointer, behind them the instruction pointer.
    registers: Vec<u64>,
    /// Words, by their addresses.
    stack: BTreeMap<u64, u64>,
    width: u64,
}

impl LastState {
    /// Of a guest of that image.
    pub(super) fn of(image: &Image) -> Self {
        Self {
            width: image.machine().pointer_size(),
            ..Self::default()
        }
    }

    /// Takes a line, if it is one of those. Returns whether it is.
    pub(super) fn take(&mut self, line: &str) -> bool {
        let number = |word| u64::from_str_radix(word, 16).ok();
        if let Some(words) = line.strip_prefix("paravirt: registers ") {
            let room = MOST_REGISTERS.saturating_sub(self.registers.len());
            self.registers.extend(words.split(' ').map_while(number).take(room));
            return true;
        }
        let Some(words) = line.strip_prefix("paravirt: stack ") else {
            return false;
        };
        let mut words = words.split(' ').map_while(number);
        if let Some(first) = words.next() {
            let addresses = (0..).map_while(|index| first.checked_add(index * self.width));
            let room = MOST.saturating_sub(self.stack.len());
            self.stack.extend(addresses.zip(words).take(room));
        }
        true
    }

    /// Where the guest was, if it has told.
    pub(super) fn backtrace(&self, image: &Image) -> Option<Backtrace> {
        let (&instruction, told) = self.registers.split_last()?;
        let registers = match image.machine() {
            Machine::Aarch64 => {
                let (&stack, general) = told.split_last()?;
                AnyRegisters::Aarch64(Aarch64Registers {
                    general: general.try_into().ok()?,
                    stack,
                    instruction,
                    flags: 0,
                })
            }
            machine => {
                let general = match machine.width() {
                    Width::Bits32 => 8,
                    Width::Bits64 => 16,
                };
                if told.len() != general {
                    return None;
                }
                let mut registers = Registers {
                    general: [0; 16],
                    instruction,
                    flags: 0,
                };
                registers.general[..general].copy_from_slice(told);
                AnyRegisters::X86(registers)
            }
        };
        Some(Backtrace::new(image, &registers, true, self))
    }
}

impl ReadMemory for LastState {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let width = self.width;
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = address.checked_add(done as u64) else {
                break;
            };
            // The words begin at multiples of their size.
            let offset = (at % width) as usize;
            let Some(word) = self.stack.get(&(at - offset as u64)) else {
                break;
            };
            let bytes = &word.to_le_bytes()[offset..width as usize];
            let count = bytes.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&bytes[..count]);
            done += count;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(width: u64, lines: &[&str]) -> LastState {
        let mut state = LastState {
            width,
            ..LastState::default()
        };
        for line in lines {
            assert!(state.take(line), "{line}");
        }
        state
    }

    #[test]
    fn words_are_where_the_guest_says() {
        let state = state(4, &["paravirt: stack 1000 11223344 0 ff", "paravirt: stack 100c 55"]);
        let mut bytes = [0xaa; 9];
        assert_eq!(state.read(0x1002, &mut bytes), 9);
        assert_eq!(bytes, [0x22, 0x11, 0, 0, 0, 0, 0xff, 0, 0]);
        assert_eq!(state.read(0x100e, &mut bytes), 2, "the end");
        assert_eq!(state.read(0xffc, &mut bytes), 0, "before");
        assert_eq!(state.read(u64::MAX, &mut bytes), 0, "wraps");
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let state = state(
            8,
            &[
                "paravirt: registers 1 x 2",
                "paravirt: stack",
                "paravirt: stack -1 2",
                "paravirt: stack ffffffffffffffff 1 2 3",
            ][..1],
        );
        assert_eq!(state.registers, [1]);
        let mut state = state;
        assert!(!state.take("paravirt: stack"), "no space behind");
        assert!(state.take("paravirt: stack -1 2"));
        assert!(state.stack.is_empty());
        assert!(state.take("paravirt: stack ffffffffffffffff 1 2 3"));
        assert_eq!(state.stack.len(), 1, "the others are nowhere");
        assert!(!state.take("paravirt: shutdown exit 0"));
    }

    #[test]
    fn an_endless_stack_is_cut() {
        let mut state = state(4, &[]);
        for line in 0..MOST as u64 {
            let line = format!("paravirt: stack {:x} 1 2", line * 8);
            assert!(state.take(&line));
        }
        assert_eq!(state.stack.len(), MOST);
    }
}
