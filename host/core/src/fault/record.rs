// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest did wrong, recorded at that moment without allocation.

use paravirt_abi::signature::Width;

/// Why a guest was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The processor refused an instruction.
    Exception(Exception),
    /// A system call of what is below the host, which only the host may make, or nobody in this run.
    SystemCall(SystemCall),
    /// There is no memory for an interrupt frame below the stack pointer.
    UpcallStack,
    /// The upcall entry in the vCPU page, this address, is not in executable memory.
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

/// A system call of Linux that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number.
    pub number: u32,
    /// Of which of the kernel's tables.
    pub table: SystemCallTable,
    /// What is known of where it was made.
    pub site: CallSite,
    /// Index of the function that the guest has called last, if it has called any.
    pub last_call: Option<u32>,
}

/// The numbers of system calls are those of one of these tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemCallTable {
    /// That of 32-bit code, and of `int 0x80` anywhere.
    I386,
    /// That of 64-bit code.
    X86_64,
    /// That of 64-bit code with 32-bit pointers.
    X32,
}

/// Where a system call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallSite {
    /// In guest code; the address behind the instruction.
    Guest(u64),
    /// In guest code, by `sysenter` or, on AMD's processors, `syscall` in 32-bit code: of these the kernel keeps no
    /// address.
    Lost,
    /// In host code that the guest has jumped to; the address behind the instruction.
    Host(u64),
    /// By a call of the page with the system calls of old at this fixed address; the guest's return address is the
    /// instruction pointer.
    Vsyscall(u64),
    /// In host code on the host's own stack: by the host function that was called last.
    Function(u64),
}

/// Why the processor refused an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// A page fault.
    BadAccess {
        /// The address that was accessed.
        address: u64,
        /// How.
        access: AccessKind,
    },
    /// A stack fault: a stack pointer that is no address, for one.
    StackFault,
    /// A general protection fault.
    GeneralProtection,
    /// An invalid opcode.
    IllegalInstruction,
    /// A division error, or an unmasked floating-point exception.
    Arithmetic,
    /// An overflow, raised by `into`.
    Overflow,
    /// An index out of its bounds, raised by `bound`.
    OutOfBounds,
    /// An access to an address that is not aligned, while the flag for that check is on.
    AlignmentCheck,
    /// A breakpoint or a single step. The instruction pointer is behind a breakpoint.
    Breakpoint,
    /// A system call of what is below the host, by guest code.
    SystemCall,
    /// Another one, by its number.
    Other(u32),
}

/// How memory was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// By reading.
    Read,
    /// By writing.
    Write,
    /// By executing.
    Execute,
}

impl AccessKind {
    /// By a page fault's error code (Intel SDM volume 3, 4.7).
    #[must_use]
    pub const fn from_error_code(error: u64) -> Self {
        const WRITE: u64 = 1 << 1;
        const FETCH: u64 = 1 << 4;
        if error & FETCH != 0 {
            Self::Execute
        } else if error & WRITE != 0 {
            Self::Write
        } else {
            Self::Read
        }
    }
}

impl Exception {
    /// The processor's exception of that number (Intel SDM volume 3, 6.3.1), with its error code; `address` is that of
    /// a page fault.
    #[must_use]
    pub const fn from_vector(vector: u32, error: u64, address: u64) -> Self {
        match vector {
            0 | 16 | 19 => Self::Arithmetic,
            1 | 3 => Self::Breakpoint,
            4 => Self::Overflow,
            5 => Self::OutOfBounds,
            6 => Self::IllegalInstruction,
            12 => Self::StackFault,
            13 => Self::GeneralProtection,
            14 => Self::BadAccess {
                address,
                access: AccessKind::from_error_code(error),
            },
            17 => Self::AlignmentCheck,
            other => Self::Other(other),
        }
    }
}

/// Names of [`Registers::general`].
const NAMES_64: [&str; 16] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];
const NAMES_32: [&str; 8] = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"];

/// The guest's registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// In the order of their [names](Self::names), which are fewer for an i386 guest.
    pub general: [u64; 16],
    /// Instruction pointer.
    pub instruction: u64,
    /// eflags or rflags.
    pub flags: u64,
}

impl Registers {
    /// Names of the general registers of a guest of that width, in small letters.
    #[must_use]
    pub const fn names(width: Width) -> &'static [&'static str] {
        match width {
            Width::Bits32 => &NAMES_32,
            Width::Bits64 => &NAMES_64,
        }
    }

    /// Stack pointer.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        self.general[7]
    }
}

/// A fault, as far as it is known at that moment.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub(super) cause: Cause,
    pub(super) stack: u64,
    /// Instruction pointer; `None` if the guest was in a call.
    pub(super) instruction: Option<u64>,
    /// `None` where only the stack pointer is known, or that and the instruction pointer.
    pub(super) registers: Option<Registers>,
}

impl Record {
    /// A fault in guest code.
    #[must_use]
    pub const fn new(cause: Cause, registers: Registers) -> Self {
        Self {
            cause,
            stack: registers.stack(),
            instruction: Some(registers.instruction),
            registers: Some(registers),
        }
    }

    /// The stack pointer.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        self.stack
    }

    /// A system call. The registers are those that the kernel shows.
    #[must_use]
    pub const fn of_system_call(call: SystemCall, registers: Registers) -> Self {
        let instruction = match call.site {
            CallSite::Guest(address) | CallSite::Host(address) => Some(address),
            CallSite::Lost | CallSite::Vsyscall(_) | CallSite::Function(_) => None,
        };
        Self {
            instruction,
            ..Self::new(Cause::SystemCall(call), registers)
        }
    }

    /// A fault in guest code of which a host knows these two registers only.
    #[must_use]
    pub const fn at(cause: Cause, instruction: u64, stack: u64) -> Self {
        Self {
            cause,
            stack,
            instruction: Some(instruction),
            registers: None,
        }
    }

    /// A fault in a call of a host function, by the guest's stack pointer, which points to the return address.
    #[must_use]
    pub const fn of_call(cause: Cause, stack: u64) -> Self {
        Self {
            cause,
            stack,
            instruction: None,
            registers: None,
        }
    }

    /// What happened.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns whether the guest called a function that nobody provides.
    #[must_use]
    pub const fn is_unbound(&self) -> bool {
        matches!(self.cause, Cause::Unbound(_))
    }
}
