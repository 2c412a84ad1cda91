// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest did wrong: recorded in a signal handler or a gate, explained when the guest has been left.

mod explain;

use std::fmt::{self, Write};

pub use explain::{Fault, Place};

use super::context::Interrupted;
use super::state::GUEST_END;

/// Why the guest was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The processor refused an instruction.
    Processor {
        /// Number of the signal.
        signal: i32,
        /// `si_code`.
        code: i32,
        /// The address it is about, for faults that have one.
        address: u64,
        /// The processor's error code.
        error: u64,
    },
    /// There is no memory for an interrupt frame below the stack pointer.
    UpcallStack,
    /// The upcall entry in the vCPU page is not in executable memory.
    UpcallEntry(u64),
    /// The arguments of the function of that index are not in memory.
    Arguments(u32),
    /// The function of that index is not offered by the host.
    Unbound(u32),
    /// A gate was entered other than through a stub.
    WildCall,
    /// The resolver was entered other than through a thunk.
    WildResolve,
}

impl Cause {
    pub(super) fn processor(
        signal: i32,
        code: i32,
        address: u64,
        interrupted: &Interrupted<'_>,
    ) -> Self {
        Self::Processor {
            signal,
            code,
            address,
            error: interrupted.error_code(),
        }
    }
}

/// A fault and the registers at that moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    cause: Cause,
    instruction: u64,
    flags: u64,
    /// As [`Interrupted::general`]; `None` if the guest was in a call, where only the stack pointer is known.
    general: Option<[u64; 16]>,
    stack: u64,
}

impl Record {
    pub(super) fn new(cause: Cause, interrupted: &Interrupted<'_>) -> Self {
        Self {
            cause,
            instruction: interrupted.instruction(),
            flags: interrupted.flags(),
            general: Some(interrupted.general()),
            stack: interrupted.stack(),
        }
    }

    /// A fault in a call of a host function, by the guest's stack pointer, which points to the return address.
    pub(super) const fn of_call(cause: Cause, stack: u64) -> Self {
        Self {
            cause,
            instruction: 0,
            flags: 0,
            general: None,
            stack,
        }
    }

    /// Whether the guest called a function that nobody provides.
    pub(super) const fn is_unbound(&self) -> bool {
        matches!(self.cause, Cause::Unbound(_))
    }
}

/// Whether a fault on the vCPU's thread is the guest's: its code or, after a wild jump, its stack was in use. The host has both
/// above the guest.
pub(super) fn is_of_guest(interrupted: &Interrupted<'_>) -> bool {
    interrupted.instruction() < GUEST_END || interrupted.stack() < GUEST_END
}

/// Says that the host itself failed. From a signal handler: no allocation.
pub(super) fn report_host_fault(signal: i32, address: u64, instruction: u64) {
    let mut line = Line {
        bytes: [0; 256],
        length: 0,
    };
    // A line that is too long is cut.
    let _ = writeln!(
        line,
        "pvhost: internal error: signal {signal} at {instruction:#x} in the host's own code (address {address:#x}); \
         this is a bug in the host or in a host function, not in the guest"
    );
    let text = &line.bytes[..line.length];
    // SAFETY: writes from a live buffer to standard error.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let count = room.len().min(text.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        if count == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
