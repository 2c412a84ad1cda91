// SPDX-License-Identifier: MIT OR Apache-2.0
//! The filter: classic BPF that the kernel runs before each system call of the thread (seccomp(2)).
//!
//! It is assembled here, since the crate seccompiler knows neither of two things that it needs. One is to look where
//! the call was made; the other is to trap calls by the numbers of i386, which such a filter ends the process for.
//! Besides, five instructions a row cost 50 us of the start of every guest, where one will do.

use std::io;
use std::mem::offset_of;
use std::ptr;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    SECCOMP_RET_TRAP, seccomp_data, sock_filter,
};

use super::table::{If, TABLE};
use super::{SandboxError, machine};

const NUMBER: usize = offset_of!(seccomp_data, nr);
const ARCHITECTURE: usize = offset_of!(seccomp_data, arch);
/// The upper half of the address behind the instruction.
const PAGE_4G: usize = offset_of!(seccomp_data, instruction_pointer) + 4;

/// Puts a filter on this thread, for good: the table's calls, and those of these numbers. It takes no privilege, since
/// it forbids the thread to gain any (`PR_SET_NO_NEW_PRIVS`).
pub(super) fn install(allowed: &[u32]) -> Result<(), SandboxError> {
    let program = assemble(allowed, std::process::id());
    // SAFETY: no pointers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(refused("prctl PR_SET_NO_NEW_PRIVS"));
    }
    // The guest and its host are one address space, which no mitigation for speculation divides: do without what some
    // kernels turn on for every thread with a filter.
    if apply(&program, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) {
        return Ok(());
    }
    // Kernels before 4.17 do not know the flag.
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) && apply(&program, 0) {
        return Ok(());
    }
    Err(refused("seccomp"))
}

fn refused(call: &'static str) -> SandboxError {
    SandboxError {
        call,
        source: io::Error::last_os_error(),
    }
}

fn apply(program: &[sock_filter], flags: libc::c_ulong) -> bool {
    let program = libc::sock_fprog {
        // The kernel refuses more than 4,096 instructions.
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which is live.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            ptr::from_ref(&program),
        )
    };
    result == 0
}

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    Next,
    /// Over that many instructions.
    Skip(usize),
    Allow,
    Trap,
}

/// A filter that is being assembled. Its last two instructions trap and allow.
struct Program {
    code: Vec<sock_filter>,
    /// Number of instructions before those two.
    end: usize,
}

impl Program {
    fn push(&mut self, code: u32, k: u32) {
        self.code.push(sock_filter {
            code: code as u16,
            jt: 0,
            jf: 0,
            k,
        });
    }

    fn load(&mut self, offset: usize) {
        self.push(BPF_LD | BPF_W | BPF_ABS, offset as u32);
    }

    fn give(&mut self, action: u32) {
        self.push(BPF_RET | BPF_K, action);
    }

    /// A distance is counted from the next instruction and has 8 bits, which suffice from the first row of the table
    /// on.
    fn compare(&mut self, value: u32, equal: To, other: To) {
        let next = self.code.len() + 1;
        let distance = |to| match to {
            To::Next => 0,
            To::Skip(count) => count,
            To::Trap => self.end - next,
            To::Allow => self.end + 1 - next,
        };
        let distance = |to| u8::try_from(distance(to)).expect("a short filter");
        let (jt, jf) = (distance(equal), distance(other));
        self.code.push(sock_filter {
            code: (BPF_JMP | BPF_JEQ | BPF_K) as u16,
            jt,
            jf,
            k: value,
        });
    }

    /// A row of the table; the call's number is loaded.
    fn row(&mut self, call: u32, condition: &If, process: u32) {
        let length = length(condition);
        if length == 1 {
            return self.compare(call, To::Allow, To::Next);
        }
        self.compare(call, To::Next, To::Skip(length - 1));
        match condition {
            If::Always => {}
            If::OneOf(index, values) => {
                self.load(argument(*index));
                let (last, others) = values.split_last().expect("some value");
                for &value in others {
                    self.compare(value, To::Allow, To::Next);
                }
                self.compare(*last, To::Allow, To::Trap);
            }
            If::OwnProcess(index) => {
                self.load(argument(*index));
                self.compare(process, To::Allow, To::Trap);
            }
            If::Null(index) => {
                self.load(argument(*index));
                self.compare(0, To::Next, To::Trap);
                self.load(argument(*index) + 4);
                self.compare(0, To::Allow, To::Trap);
            }
            If::Bits(index, bits) => {
                self.load(argument(*index));
                self.push(BPF_ALU | BPF_AND | BPF_K, *bits);
                self.compare(*bits, To::Allow, To::Trap);
            }
            If::Unknown => self.give(SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        }
    }
}

/// Number of instructions of a row.
const fn length(condition: &If) -> usize {
    match condition {
        If::Always => 1,
        If::Unknown => 2,
        If::OneOf(_, values) => 2 + values.len(),
        If::OwnProcess(_) => 3,
        If::Bits(_, _) => 4,
        If::Null(_) => 5,
    }
}

/// Offset of the lower half of an argument.
fn argument(index: u8) -> usize {
    offset_of!(seccomp_data, args) + 8 * usize::from(index)
}

/// The filter for that process.
fn assemble(allowed: &[u32], process: u32) -> Vec<sock_filter> {
    let areas: usize = (machine::AREAS.iter())
        .map(|(_, call)| if call.is_some() { 5 } else { 2 })
        .sum();
    let rows: usize = TABLE.iter().map(|(_, condition)| length(condition)).sum();
    let end = 5 + areas + 2 * allowed.len() + rows;
    let mut program = Program {
        code: Vec::with_capacity(end + 2),
        end,
    };
    program.load(ARCHITECTURE);
    program.compare(machine::AUDIT_ARCH, To::Skip(1), To::Next);
    program.give(SECCOMP_RET_TRAP);
    // That the address is looked at first keeps the kernel from trying the filter with every number beforehand.
    program.load(PAGE_4G);
    for &(page, call) in machine::AREAS {
        if let Some(call) = call {
            program.compare(page, To::Next, To::Skip(4));
            program.load(NUMBER);
            program.compare(call, To::Next, To::Skip(1));
            program.give(SECCOMP_RET_ALLOW);
        } else {
            program.compare(page, To::Next, To::Skip(1));
        }
        program.give(SECCOMP_RET_TRAP);
    }
    program.load(NUMBER);
    for &call in allowed {
        program.compare(call, To::Next, To::Skip(1));
        program.give(SECCOMP_RET_ALLOW);
    }
    // First those that leave the number loaded.
    let is_plain = |condition: &If| matches!(condition, If::Always);
    for plain in [true, false] {
        for (call, condition) in TABLE {
            if is_plain(condition) == plain {
                program.row(*call as u32, condition, process);
            }
        }
    }
    assert_eq!(program.code.len(), end, "the rows' lengths");
    program.give(SECCOMP_RET_TRAP);
    program.give(SECCOMP_RET_ALLOW);
    program.code
}
