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
    /// That of AArch64.
    Aarch64,
    /// That of 32-bit code for Arm.
    Arm,
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
    /// An access to an address that is not aligned, while on x86 the flag for that check is on; on AArch64 also a stack
    /// pointer or a jump.
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

/// The registers of a guest for AArch64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aarch64Registers {
    /// x0 to x30.
    pub general: [u64; 31],
    /// Stack pointer.
    pub stack: u64,
    /// Address of the next instruction.
    pub instruction: u64,
    /// `PSTATE`, in the form of `SPSR_EL1`.
    pub flags: u64,
}

impl Aarch64Registers {
    /// Names of the general registers.
    pub(super) const NAMES: [&str; 31] = [
        "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
        "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
    ];
}

/// The registers of a guest, as the processor has them that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyRegisters {
    /// Of a guest for i386 or x86-64.
    X86(Registers),
    /// Of a guest for AArch64.
    Aarch64(Aarch64Registers),
}

impl From<Registers> for AnyRegisters {
    fn from(registers: Registers) -> Self {
        Self::X86(registers)
    }
}

impl From<Aarch64Registers> for AnyRegisters {
    fn from(registers: Aarch64Registers) -> Self {
        Self::Aarch64(registers)
    }
}

impl AnyRegisters {
    /// Stack pointer.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        match self {
            Self::X86(registers) => registers.stack(),
            Self::Aarch64(registers) => registers.stack,
        }
    }

    /// Address of the next instruction.
    #[must_use]
    pub const fn instruction(&self) -> u64 {
        match self {
            Self::X86(registers) => registers.instruction,
            Self::Aarch64(registers) => registers.instruction,
        }
    }

    /// Where the function returns to that has just been called, if that is in a register.
    const fn link(&self) -> Option<u64> {
        match self {
            Self::X86(_) => None,
            Self::Aarch64(registers) => Some(registers.general[30]),
        }
    }
}

/// The registers of a guest for i386 or x86-64.
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
    pub(super) registers: Option<AnyRegisters>,
    /// Where the last call returns to, if that is in a register and not where the stack pointer points to.
    pub(super) link: Option<u64>,
}

impl Record {
    /// A fault in guest code.
    #[must_use]
    pub const fn new(cause: Cause, registers: AnyRegisters) -> Self {
        Self {
            cause,
            stack: registers.stack(),
            instruction: Some(registers.instruction()),
            registers: Some(registers),
            link: registers.link(),
        }
    }

    /// The stack pointer.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        self.stack
    }

    /// A system call. The registers are those that the kernel shows.
    #[must_use]
    pub const fn of_system_call(call: SystemCall, registers: AnyRegisters) -> Self {
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
            link: None,
        }
    }

    /// A fault in a call of a host function, by the guest's stack pointer, which points to the return address unless
    /// that is in a register and given as `link`.
    #[must_use]
    pub const fn of_call(cause: Cause, stack: u64, link: Option<u64>) -> Self {
        Self {
            cause,
            stack,
            instruction: None,
            registers: None,
            link,
        }
    }

    /// All registers, if they are known.
    #[must_use]
    pub const fn registers(&self) -> Option<AnyRegisters> {
        self.registers
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
