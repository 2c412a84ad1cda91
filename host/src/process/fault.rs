// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults as Linux reports them: the guest's are recorded and explained when it has been left, the host's end the process.

use std::fmt::{self, Write};

use paravirt_host_core::explain::{AccessKind, Exception};

use super::context::Interrupted;

/// `si_code` of a SIGSEGV for which the processor gave no address (Linux, asm-generic/siginfo.h): general protection, and these.
const SI_KERNEL: i32 = 0x80;
/// The exception of `into` (Intel SDM volume 3, 6.3.1).
const OVERFLOW: u64 = 4;
/// The exception of `bound`.
const OUT_OF_BOUNDS: u64 = 5;

/// What the processor refused, by the signal that Linux makes of it.
pub(super) fn exception(
    signal: i32,
    code: i32,
    address: u64,
    interrupted: &Interrupted<'_>,
) -> Exception {
    match signal {
        libc::SIGBUS if code == libc::BUS_ADRALN => Exception::AlignmentCheck,
        libc::SIGBUS if code == SI_KERNEL => Exception::StackFault,
        libc::SIGSEGV if code == SI_KERNEL => match interrupted.vector() {
            OVERFLOW => Exception::Overflow,
            OUT_OF_BOUNDS => Exception::OutOfBounds,
            _ => Exception::GeneralProtection,
        },
        libc::SIGSEGV | libc::SIGBUS => Exception::BadAccess {
            address,
            access: AccessKind::from_error_code(interrupted.error_code()),
        },
        libc::SIGILL => Exception::IllegalInstruction,
        libc::SIGFPE => Exception::Arithmetic,
        libc::SIGTRAP => Exception::Breakpoint,
        _ => Exception::SystemCall,
    }
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
    line.write();
}

/// Says that the sandbox has refused a call of the host's own code. From a signal handler: no allocation.
pub(super) fn report_refused_call(number: u32, address: u64) {
    let mut line = Line {
        bytes: [0; 256],
        length: 0,
    };
    let _ = writeln!(
        line,
        "pvhost: internal error: the sandbox does not permit system call {number} at {address:#x}, of the host's own code; \
         it fails, and the host goes on without (`--no-sandbox` permits it)"
    );
    line.write();
}

struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    /// To standard error.
    fn write(&self) {
        let text = &self.bytes[..self.length];
        // SAFETY: writes from a live buffer.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }
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
