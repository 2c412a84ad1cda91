// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who called whom: a walk along a guest's stack, by the image's unwind tables.
//!
//! The tables are those of `.eh_frame`, which need not be part of the image's memory, and `.debug_frame`. Where code
//! has none (assembly of others, code that a guest has loaded), a return address at the stack pointer, or on AArch64 in
//! the link register, is tried, then the frame pointer. A walk ends at the code that nobody called: the entry point
//! says so, and a thread of RTEMS has 0 for a return address.

mod machine;
mod table;

use std::fmt;

use gimli::{DebugFrame, EhFrame, LittleEndian};

use super::budget::Budget;
use super::memory::{self, ReadMemory};
use crate::fault::AnyRegisters;
use crate::image::{Image, pointer_size};
use machine::Machine;
pub use machine::State;
use table::Table;

/// More frames are not walked. A stack of RTEMS or of a guest in Rust has some dozens; an endless recursion more.
pub const MAX_FRAMES: usize = 4096;

/// Somebody who called somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Instruction pointer: of the first frame as it is, of others where they go on.
    pub instruction: u64,
    /// Whether the instruction at that address is the one that counts: in the first frame, and in code that was
    /// interrupted. Otherwise it is the call before it.
    pub is_exact: bool,
    /// Stack pointer.
    pub stack: u64,
}

impl Frame {
    /// An address in the instruction that counts.
    #[must_use]
    pub const fn place(&self) -> u64 {
        if self.is_exact {
            self.instruction
        } else {
            self.instruction.wrapping_sub(1)
        }
    }
}

/// Why a walk has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkEnd {
    /// Nobody called the last frame.
    Outermost,
    /// What should be the caller's address is none in the image's code.
    NoCode(u64),
    /// There is no unwind table for the code there.
    NoTable(u64),
    /// The stack, or what the tables say it is, cannot be read there.
    NoStack(u64),
    /// The tables do not make sense for this address, or would take too long.
    BadTable(u64),
    /// After [`MAX_FRAMES`].
    TooMany,
}

impl fmt::Display for WalkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outermost => write!(f, "nobody called it"),
            Self::NoCode(address) => write!(f, "the next return address, {address:#x}, is not in the image's code"),
            Self::NoTable(address) => write!(f, "no unwind table is for the code at {address:#x}"),
            Self::NoStack(address) => write!(f, "the stack at {address:#x} cannot be read"),
            Self::BadTable(address) => write!(f, "the unwind tables make no sense for {address:#x}"),
            Self::TooMany => write!(f, "more than {MAX_FRAMES} callers"),
        }
    }
}

/// A walk's frames, the innermost first; at least one.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Why there are no more.
    pub end: WalkEnd,
}

/// An image's unwind tables.
#[derive(Debug)]
pub struct Unwinder<'a> {
    image: &'a Image,
    eh_frame: Table<'a, EhFrame<Bytes<'a>>>,
    debug_frame: Table<'a, DebugFrame<Bytes<'a>>>,
}

type Bytes<'a> = gimli::EndianSlice<'a, LittleEndian>;

impl<'a> Unwinder<'a> {
    /// Those of that image. What cannot be read of them is as if it were not there.
    #[must_use]
    pub fn new(image: &'a Image) -> Self {
        let size = image.machine().pointer_size() as u8;
        let content = |name| image.section_content(name).unwrap_or_default();
        let (address, bytes) = content(".eh_frame");
        let mut eh_frame = EhFrame::new(bytes, LittleEndian);
        eh_frame.set_address_size(size);
        let (_, frame_bytes) = content(".debug_frame");
        let mut debug_frame = DebugFrame::new(frame_bytes, LittleEndian);
        debug_frame.set_address_size(size);
        Self {
            image,
            eh_frame: Table::new(eh_frame, address, bytes.len()),
            debug_frame: Table::new(debug_frame, 0, frame_bytes.len()),
        }
    }

    /// Walks from those registers, of a guest whose stack is in that memory. `is_exact`: the instruction pointer is that
    /// of the guest as it was stopped; otherwise it is in a call, which returns there.
    #[must_use]
    pub fn walk(&self, registers: &AnyRegisters, is_exact: bool, memory: &dyn ReadMemory) -> Walk {
        let width = self.image.machine().width();
        let budget = Budget::for_bytes(self.eh_frame.size() + self.debug_frame.size());
        let mut state = State::new(registers, width);
        let mut frames = Vec::new();
        let mut is_exact = is_exact;
        let end = loop {
            frames.push(Frame {
                instruction: state.instruction(),
                is_exact,
                stack: state.stack(),
            });
            if frames.len() == MAX_FRAMES {
                break WalkEnd::TooMany;
            }
            let before = (state.instruction(), state.stack());
            match self.step(&mut state, is_exact, frames.len() == 1, memory, &budget) {
                Ok(was_interrupted) => is_exact = was_interrupted,
                Err(end) => break end,
            }
            if state.instruction() == 0 {
                break WalkEnd::Outermost;
            }
            if (state.instruction(), state.stack()) == before {
                break WalkEnd::BadTable(before.0);
            }
            if !self.is_code(state.instruction(), is_exact) && !self.may_leave(&state, memory) {
                break WalkEnd::NoCode(state.instruction());
            }
        };
        Walk { frames, end }
    }

    /// From a frame to its caller. Returns whether that was interrupted.
    fn step(
        &self,
        state: &mut State,
        is_exact: bool,
        is_first: bool,
        memory: &dyn ReadMemory,
        budget: &Budget,
    ) -> Result<bool, WalkEnd> {
        let place = state.instruction().wrapping_sub(u64::from(!is_exact));
        let mut machine = Machine { state, memory, budget };
        if let Some(result) = self.eh_frame.step(place, &mut machine) {
            return result;
        }
        if let Some(result) = self.debug_frame.step(place, &mut machine) {
            return result;
        }
        if (is_first && is_exact || !self.is_code(place, true)) && self.may_leave(state, memory) {
            return state.pop(memory).map(|()| false);
        }
        let known = self.by_frame_pointer(state, memory);
        known.map(|()| false).ok_or(WalkEnd::NoTable(place))
    }

    /// Returns whether what is there is code of the image, or follows it as a return address may.
    fn is_code(&self, address: u64, is_exact: bool) -> bool {
        let place = address.wrapping_sub(u64::from(!is_exact));
        let segment = self.image.segment_at(place, 1);
        segment.is_some_and(|segment| segment.access.execute)
    }

    /// Returns whether the word at the stack pointer, on AArch64 the link register, may be a return address: at a
    /// function's first instruction it is, behind a call of what is no code, and in the gates that a host has put
    /// beside the image.
    fn may_leave(&self, state: &State, memory: &dyn ReadMemory) -> bool {
        let word = state.return_address(memory);
        word.is_some_and(|word| self.is_code(word, false))
    }

    /// By the frame pointer, if it leads to a return address further up.
    fn by_frame_pointer(&self, state: &mut State, memory: &dyn ReadMemory) -> Option<()> {
        let frame = state.frame_pointer()?;
        let size = pointer_size(state.width());
        let caller = memory::pointer(memory, frame.checked_add(size)?, state.width())?;
        if frame < state.stack() || !self.is_code(caller, false) {
            return None;
        }
        let outer = memory::pointer(memory, frame, state.width())?;
        state.leave_frame(caller, frame.checked_add(2 * size)?, outer);
        Some(())
    }
}
