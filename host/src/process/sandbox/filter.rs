// SPDX-License-Identifier: MIT OR Apache-2.0
//! The filter: classic BPF that the kernel runs before each system call of the thread (seccomp(2)).
//!
//! It is assembled here, since the crate seccompiler knows neither of two things that it needs. One is to look where the call was
//! made; the other is to trap calls by the numbers of i386, which such a filter ends the process for. Besides, five instructions a
//! row cost 50 us of the start of every guest, where one will do.

use std::io;
use std::mem::offset_of;
use std::ptr;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP, c_long, seccomp_data, sock_filter,
};

use super::SandboxError;
use super::table::{If, TABLE};

/// Of calls by 64-bit code (Linux, linux/audit.h): machine 62, 64 bits, little-endian.
pub(super) const AUDIT_ARCH_X86_64: u32 = 62 | 0x8000_0000 | 0x4000_0000;

const NUMBER: usize = offset_of!(seccomp_data, nr);
const ARCHITECTURE: usize = offset_of!(seccomp_data, arch);
/// The upper half of the address behind the instruction.
const PAGE_4G: usize = offset_of!(seccomp_data, instruction_pointer) + 4;

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    Next,
    /// Over that many instructions.
    Skip(usize),
    Allow,
    Trap,
}

enum Instruction {
    Load(usize),
    If {
        code: u32,
        value: u32,
        then: To,
        or: To,
    },
    Return(u32),
}

fn equal(value: u32, then: To, or: To) -> Instruction {
    Instruction::If {
        code: BPF_JEQ,
        value,
        then,
        or,
    }
}

/// Puts a filter on this thread, for good: the table's calls, and those of these numbers. It takes no privilege, since it forbids the
/// thread to gain any (`PR_SET_NO_NEW_PRIVS`).
pub(super) fn install(allowed: &[u32]) -> Result<(), SandboxError> {
    let program = assemble(&instructions(allowed, std::process::id()));
    // SAFETY: no pointers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(refused("prctl PR_SET_NO_NEW_PRIVS"));
    }
    // The guest and its host are one address space, which no mitigation for speculation divides: do without what some kernels turn
    // on for every thread with a filter.
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

/// What the filter does, from its first instruction on. Behind the last it traps.
fn instructions(allowed: &[u32], process: u32) -> Vec<Instruction> {
    use Instruction::{Load, Return};
    let mut code = vec![
        Load(ARCHITECTURE),
        equal(AUDIT_ARCH_X86_64, To::Skip(1), To::Next),
        Return(SECCOMP_RET_TRAP),
        // That the address is looked at first keeps the kernel from trying the filter with every number beforehand.
        Load(PAGE_4G),
        equal(0, To::Next, To::Skip(1)), // the guest
        Return(SECCOMP_RET_TRAP),
        equal(u32::MAX, To::Next, To::Skip(1)), // the vsyscall page
        Return(SECCOMP_RET_TRAP),
        Load(NUMBER),
    ];
    for &call in allowed {
        code.push(equal(call, To::Next, To::Skip(1)));
        code.push(Return(SECCOMP_RET_ALLOW));
    }
    let is_plain = |row: &&(c_long, If)| matches!(row.1, If::Always);
    // First those that leave the number loaded.
    for (call, _) in TABLE.iter().filter(is_plain) {
        code.push(equal(*call as u32, To::Allow, To::Next));
    }
    for (call, condition) in TABLE {
        let check = match condition {
            If::Always => continue,
            If::OneOf(index, values) => {
                let mut check = vec![Load(argument(*index))];
                check.extend(
                    values
                        .iter()
                        .map(|&value| equal(value, To::Allow, To::Next)),
                );
                check.push(Return(SECCOMP_RET_TRAP));
                check
            }
            If::OwnProcess(index) => {
                vec![Load(argument(*index)), equal(process, To::Allow, To::Trap)]
            }
            If::Null(index) => vec![
                Load(argument(*index)),
                equal(0, To::Next, To::Trap),
                Load(argument(*index) + 4),
                equal(0, To::Allow, To::Trap),
            ],
            If::Bits(index, bits) => {
                let mut check = vec![Load(argument(*index))];
                check.extend(each_bit(*bits).map(|bit| Instruction::If {
                    code: BPF_JSET,
                    value: bit,
                    then: To::Next,
                    or: To::Trap,
                }));
                check.push(Return(SECCOMP_RET_ALLOW));
                check
            }
            If::Unknown => vec![Return(SECCOMP_RET_ERRNO | libc::ENOSYS as u32)],
        };
        code.push(equal(*call as u32, To::Next, To::Skip(check.len())));
        code.extend(check);
    }
    code
}

/// The bits that are set, each by itself.
fn each_bit(bits: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS)
        .map(|shift| 1 << shift)
        .filter(move |bit| bits & bit != 0)
}

/// Offset of the lower half of an argument.
fn argument(index: u8) -> usize {
    offset_of!(seccomp_data, args) + 8 * usize::from(index)
}

/// As the kernel takes it. A distance is counted from the next instruction and has 8 bits, which suffice from the first row of the
/// table on.
fn assemble(code: &[Instruction]) -> Vec<sock_filter> {
    let (trap, allow) = (code.len(), code.len() + 1);
    let distance = |at: usize, to: To| {
        let target = match to {
            To::Next => at + 1,
            To::Skip(count) => at + 1 + count,
            To::Trap => trap,
            To::Allow => allow,
        };
        u8::try_from(target - at - 1).expect("a short filter")
    };
    let statement = |code: u32, k: u32| sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let mut program: Vec<_> = (code.iter().enumerate())
        .map(|(at, instruction)| match *instruction {
            Instruction::Load(offset) => statement(BPF_LD | BPF_W | BPF_ABS, offset as u32),
            Instruction::Return(action) => statement(BPF_RET | BPF_K, action),
            Instruction::If {
                code,
                value,
                then,
                or,
            } => sock_filter {
                code: (BPF_JMP | code | BPF_K) as u16,
                jt: distance(at, then),
                jf: distance(at, or),
                k: value,
            },
        })
        .collect();
    program.push(statement(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
    program.push(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    program
}
