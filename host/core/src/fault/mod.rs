// SPDX-License-Identifier: MIT OR Apache-2.0
//! A fault in words: what happened, where, at which instruction, and what may be the reason.

mod record;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, Mnemonic, Register};
use paravirt_abi::signature::Width;

use crate::image::{Image, Machine};
use crate::memory::GuestMemory;
use crate::text::Escaped;
pub use record::{
    Aarch64Registers, AccessKind, AnyRegisters, CallSite, Cause, Exception, Record, Registers, SystemCall,
    SystemCallTable,
};

/// The longest x86 instruction in bytes.
const LONGEST_INSTRUCTION: u64 = 15;
/// Bytes of `syscall`, `sysenter` and `int`; of `svc`.
const SYSTEM_CALL_SIZE: u64 = 2;
const SVC_SIZE: u64 = 4;
/// The breakpoint instruction.
const INT3: u8 = 0xcc;
/// The instruction that reports an overflow.
const INTO: u8 = 0xce;
/// Addresses that a null pointer with an offset reaches.
const NULL_REACH: u64 = 0x1000;

const HINT_OF_SYSTEM_CALL: &str = "a guest reaches its host through external functions only; is this a program for \
     Linux, or was the wrong in-guest backend chosen?";

/// What a guest did that it may not, with all that helps to find it. [`fmt::Display`] prints several lines.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Where, if that is known.
    pub location: Option<Location>,
    /// The instruction, disassembled, if it is in the guest's memory.
    pub disassembly: Option<String>,
    /// Where the guest would have returned to, after a jump to what is no code.
    pub caller: Option<Location>,
    /// Who called the function at [`location`](Self::location), the innermost first, as far as somebody has found out.
    pub callers: Vec<Caller>,
    /// Why there are no more of them, unless the last is the first code that ran.
    pub callers_end: Option<String>,
    /// The address the fault is about, if it has one.
    pub address: Option<u64>,
    /// A guess at the reason.
    pub hint: Option<String>,
    registers: Option<Shown>,
}

/// An address in the guest's code.
#[derive(Clone, Debug)]
pub struct Location {
    /// The address.
    pub address: u64,
    /// The function it belongs to, with the offset, if the image has symbols.
    pub function: Option<String>,
    /// Where in the sources that is, as far as somebody has found out: the innermost first, if functions were inlined
    /// there.
    pub source: Vec<Source>,
}

/// A place that has called something.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the call returns to.
    pub location: Location,
    /// It has not called, but was interrupted there.
    pub interrupted: bool,
    /// How often it called itself, in a row; at least 1.
    pub times: u64,
}

/// A place in a source. Its texts are the guest's, to be [escaped](crate::text) when printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The function that was inlined; `None`: it is the one that the address belongs to.
    pub inlined: Option<String>,
    /// The file as the compiler was given it.
    pub file: String,
    /// From 1; 0: unknown.
    pub line: u64,
    /// From 1; 0: unknown.
    pub column: u64,
}

/// The registers in words.
#[derive(Clone, Copy, Debug)]
struct Shown {
    width: Width,
    registers: AnyRegisters,
}

/// A guest as it was left, and its image.
#[derive(Clone, Copy)]
struct Guest<'a> {
    memory: &'a GuestMemory,
    image: &'a Image,
}

impl Guest<'_> {
    fn width(&self) -> Width {
        self.image.machine().width()
    }

    fn is_x86(&self) -> bool {
        matches!(self.image.machine(), Machine::I386 | Machine::X86_64)
    }
}

/// A bad access to memory.
#[derive(Clone, Copy, Debug)]
struct BadAccess {
    address: u64,
    access: AccessKind,
}

impl Fault {
    /// Explains what was recorded of a guest of that image, whose memory is as the guest left it.
    #[must_use]
    pub fn new(record: &Record, memory: &GuestMemory, image: &Image) -> Self {
        let guest = Guest { memory, image };
        let location = |address| Location::new(address, guest);
        let bad = bad_access(record);
        let instruction = faulting_instruction(record, guest);
        let decoded = instruction.and_then(|at| decode(guest, at));
        let word = instruction.and_then(|at| word(guest, at));
        let executing = bad.is_some_and(|bad| bad.access == AccessKind::Execute);
        let caller = || {
            record
                .link
                .or_else(|| memory.pointer(record.stack, image.machine().pointer_size()))
                .filter(|&address| memory.executable(address))
                .map(location)
        };
        let (location, caller) = match instruction {
            Some(instruction) => {
                let caller = if executing { caller() } else { None };
                (Some(location(instruction)), caller)
            }
            None => match record.cause {
                // The kernel has returned from the page on the guest's behalf.
                Cause::SystemCall(SystemCall {
                    site: CallSite::Vsyscall(_),
                    ..
                }) => (None, record.registers.map(|at| location(at.instruction()))),
                Cause::SystemCall(_) => (None, None),
                _ => (caller(), None),
            },
        };
        Self {
            what: describe(record, guest),
            disassembly: (decoded.as_ref().map(disassemble))
                .or_else(|| word.map(|word| format!(".inst {word:#010x}")))
                .filter(|_| !executing),
            hint: hint(record, guest, bad, decoded.as_ref()).or_else(|| hint_of_word(record, word?)),
            location,
            caller,
            callers: Vec::new(),
            callers_end: None,
            address: bad.map(|bad| bad.address),
            registers: record.registers.map(|registers| Shown {
                width: guest.width(),
                registers,
            }),
        }
    }
}

impl Location {
    fn new(address: u64, guest: Guest<'_>) -> Self {
        let Guest { memory, image } = guest;
        let function = image
            .symbols()
            .function_at(address)
            .filter(|_| memory.executable(address) && image.segment_at(address, 1).is_some())
            .map(|location| location.to_string());
        Self {
            address,
            function,
            source: Vec::new(),
        }
    }

    /// Where a call in the image's code returns to, or with `is_exact` the address of an instruction there. Behind a
    /// call that does not return another function may begin, so that the call itself is what counts. An address outside
    /// of the image's code, as in a host's gates, belongs to no function.
    #[must_use]
    pub fn in_image(address: u64, is_exact: bool, image: &Image) -> Self {
        let before = u64::from(!is_exact);
        let place = address.wrapping_sub(before);
        let is_code = image.segment_at(place, 1).is_some_and(|segment| segment.access.execute);
        let function = image.symbols().function_at(place).filter(|_| is_code);
        let function = function.map(|mut location| {
            location.offset = location.offset.wrapping_add(before);
            location.to_string()
        });
        Self {
            address,
            function,
            source: Vec::new(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)?;
        if let Some(function) = &self.function {
            write!(f, " {function}")?;
        }
        match self.source.as_slice() {
            [source @ Source { inlined: None, .. }] => write!(f, ", {source}"),
            sources => sources.iter().try_for_each(|source| write!(f, "\n     {source}")),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = &self.location;
        match self.times {
            _ if self.interrupted => write!(f, "interrupted at {location}"),
            1 => write!(f, "called from {location}"),
            times => write!(f, "called {times} times in a row from {location}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        match &self.inlined {
            Some(function) => write!(f, " ({function}, inlined)"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(location) = &self.location {
            write!(f, "\n  at {location}")?;
        }
        if let Some(disassembly) = &self.disassembly {
            write!(f, "\n  instruction: {disassembly}")?;
        }
        if let Some(caller) = &self.caller {
            write!(f, "\n  return address {caller}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        for caller in &self.callers {
            write!(f, "\n  {caller}")?;
        }
        if let Some(end) = &self.callers_end {
            write!(f, "\n  ({end})")?;
        }
        if let Some(registers) = &self.registers {
            write!(f, "{registers}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.width {
            Width::Bits64 => 18,
            Width::Bits32 => 10,
        };
        let (names, values): (&[&str], &[u64]) = match &self.registers {
            AnyRegisters::X86(registers) => (Registers::names(self.width), &registers.general),
            AnyRegisters::Aarch64(registers) => (&Aarch64Registers::NAMES, &registers.general),
        };
        for (i, (name, value)) in names.iter().zip(values).enumerate() {
            f.write_str(if i % 4 == 0 { "\n  " } else { "  " })?;
            write!(f, "{name:>3} {value:#0digits$x}")?;
        }
        match &self.registers {
            AnyRegisters::X86(registers) => write!(f, "\n  flags {:#x}", registers.flags),
            AnyRegisters::Aarch64(Aarch64Registers {
                stack,
                instruction,
                flags,
                ..
            }) => write!(f, "   sp {stack:#018x}\n   pc {instruction:#018x}  pstate {flags:#x}"),
        }
    }
}

/// Address of the instruction at fault; `None` if the guest was in a host function, or nobody knows.
fn faulting_instruction(record: &Record, guest: Guest<'_>) -> Option<u64> {
    let next = record.instruction?;
    if let Cause::SystemCall(SystemCall {
        site: CallSite::Guest(_),
        ..
    }) = record.cause
    {
        let size = if guest.is_x86() { SYSTEM_CALL_SIZE } else { SVC_SIZE };
        return Some(next.wrapping_sub(size));
    }
    if !guest.is_x86() {
        return Some(next);
    }
    // The processor reports these behind them.
    let trap = match record.cause {
        Cause::Exception(Exception::Breakpoint) => INT3,
        Cause::Exception(Exception::Overflow) => INTO,
        _ => return Some(next),
    };
    let before = next.wrapping_sub(1);
    if guest.memory.read(before, 1) == Ok(vec![trap]) {
        return Some(before);
    }
    Some(next)
}

const fn bad_access(record: &Record) -> Option<BadAccess> {
    match record.cause {
        Cause::Exception(Exception::BadAccess { address, access }) => Some(BadAccess { address, access }),
        _ => None,
    }
}

/// Of x86; others are not decoded.
fn decode(guest: Guest<'_>, address: u64) -> Option<Instruction> {
    if !guest.is_x86() || !guest.memory.executable(address) {
        return None;
    }
    // At the end of the code there are fewer bytes.
    let bytes = (1..=LONGEST_INSTRUCTION)
        .rev()
        .find_map(|size| guest.memory.read(address, size).ok())?;
    let bits = match guest.width() {
        Width::Bits32 => 32,
        Width::Bits64 => 64,
    };
    let instruction = Decoder::with_ip(bits, &bytes, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// The instruction at that address in a guest for AArch64, where all have that size.
fn word(guest: Guest<'_>, address: u64) -> Option<u32> {
    if guest.image.machine() != Machine::Aarch64 || !guest.memory.executable(address) {
        return None;
    }
    let bytes = guest.memory.read(address, 4).ok()?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Of an instruction for AArch64.
fn hint_of_word(record: &Record, word: u32) -> Option<String> {
    /// Moves to and from system registers, and operations on caches and tables (Arm ARM, C4.1, System).
    const SYSTEM: u32 = 0xd5;
    let is_refused = matches!(record.cause, Cause::Exception(Exception::IllegalInstruction));
    (is_refused && word >> 24 == SYSTEM)
        .then(|| "the instruction is privileged: was this image built for a machine of its own?".to_owned())
}

fn disassemble(instruction: &Instruction) -> String {
    let mut text = String::new();
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_uppercase_hex(false);
    formatter.format(instruction, &mut text);
    text
}

fn describe(record: &Record, guest: Guest<'_>) -> String {
    let name = |index: u32| {
        let externals = guest.image.externals();
        let external = externals.get(index as usize);
        external.map_or("?", |external| external.name.as_str())
    };
    match record.cause {
        Cause::Exception(exception) => describe_exception(exception, guest),
        Cause::SystemCall(call) => describe_system_call(call, record.stack, name),
        Cause::UpcallStack => format!(
            "no memory for an interrupt frame below the stack pointer {:#x}",
            record.stack
        ),
        Cause::UpcallEntry(entry) => {
            format!("the upcall entry {entry:#x} in the vCPU page is not in executable memory")
        }
        Cause::Arguments(index) => format!(
            "call of `{}` with arguments outside of memory (stack pointer {:#x})",
            name(index),
            record.stack
        ),
        Cause::Unbound(index) => {
            format!("call of `{}`, which the host does not provide", name(index))
        }
        Cause::WildCall => "jump into the middle of the host's gates".to_owned(),
        Cause::WildResolve => "call of the resolver that does not come from a function's thunk".to_owned(),
    }
}

/// `name` says how a function is called, by its index.
fn describe_system_call<'a>(call: SystemCall, stack: u64, name: impl Fn(u32) -> &'a str) -> String {
    let table = match call.table {
        SystemCallTable::I386 => "i386",
        SystemCallTable::X86_64 => "x86-64",
        SystemCallTable::X32 => "x32",
        SystemCallTable::Aarch64 => "aarch64",
        SystemCallTable::Arm => "arm",
    };
    let which = format!("system call {} ({table})", call.number);
    match call.site {
        CallSite::Guest(_) => format!("{which} by guest code"),
        CallSite::Vsyscall(address) => {
            format!("{which} by guest code, through the vsyscall page at {address:#x}")
        }
        CallSite::Lost => {
            let last = match call.last_call {
                Some(index) => format!("the last external call was `{}`", name(index)),
                None => "there was no external call before".to_owned(),
            };
            format!(
                "{which} by guest code, of which the kernel does not keep the address; the stack pointer was \
                {stack:#x}, {last}"
            )
        }
        CallSite::Host(address) => {
            format!("{which} at {address:#x}, in host code that the guest has jumped to")
        }
        CallSite::Function(address) => {
            let function = call.last_call.map_or("?", name);
            format!("{which} at {address:#x} by the host function `{function}`, which the sandbox does not permit")
        }
    }
}

fn describe_exception(exception: Exception, guest: Guest<'_>) -> String {
    match exception {
        Exception::BadAccess { address, access } => {
            let access = match access {
                AccessKind::Read => "read from",
                AccessKind::Write => "write to",
                AccessKind::Execute => "execution at",
            };
            match guest.memory.access_at(address) {
                Some(rights) => format!("bad {access} address {address:#x}, which is {rights}"),
                None => format!("bad {access} address {address:#x}, where nothing is mapped"),
            }
        }
        Exception::StackFault => "stack fault".to_owned(),
        Exception::GeneralProtection => "general protection fault".to_owned(),
        Exception::IllegalInstruction => "illegal instruction".to_owned(),
        Exception::Arithmetic => "division by zero or overflow, or an unmasked floating-point exception".to_owned(),
        Exception::Overflow => "overflow, raised by `into`".to_owned(),
        Exception::OutOfBounds => "index out of bounds, raised by `bound`".to_owned(),
        Exception::AlignmentCheck if !guest.is_x86() => {
            "a stack pointer, a jump or an access that is not aligned as it must be".to_owned()
        }
        Exception::AlignmentCheck => "access to an address that is not aligned, with the alignment check on".to_owned(),
        Exception::Breakpoint => "breakpoint or single step".to_owned(),
        Exception::SystemCall => "system call by guest code".to_owned(),
        Exception::Other(number) => format!("exception {number}"),
    }
}

fn hint(
    record: &Record,
    guest: Guest<'_>,
    bad: Option<BadAccess>,
    instruction: Option<&Instruction>,
) -> Option<String> {
    let hint = match record.cause {
        Cause::SystemCall(SystemCall {
            site: CallSite::Host(_),
            ..
        }) => "a wild jump, or an attempt to leave the sandbox?",
        Cause::SystemCall(SystemCall {
            site: CallSite::Function(_),
            ..
        }) => "let the policy allow it (`SandboxPolicy::allow`), or make it on another thread that runs already",
        Cause::SystemCall(_) | Cause::Exception(Exception::SystemCall) => HINT_OF_SYSTEM_CALL,
        Cause::Exception(Exception::IllegalInstruction) if instruction.is_some_and(is_system_call) => {
            HINT_OF_SYSTEM_CALL
        }
        Cause::Exception(_) if guest.image.is_l4rtems() && calls_l4(bad, instruction) => {
            "this asks the L4 microkernel of 2013, which is not here; of an L4RTEMS image only the external functions \
            work"
        }
        Cause::Exception(_) if bad.is_none() => {
            let privileged = disassemble(instruction.filter(|i| is_privileged(i))?);
            let name = privileged.split_whitespace().next().unwrap_or_default();
            return Some(format!(
                "`{name}` is privileged: was this image built without RTEMS_PARAVIRT?"
            ));
        }
        _ if stack_is_unset(record, guest.width()) => {
            "there is no stack: does the entry point set one up? A program for Linux expects its kernel to"
        }
        _ if stack_overflowed(record, guest.image) => "the stack overflowed: link with a larger `__stack_size`",
        Cause::UpcallStack => "is the stack pointer in memory that the guest may write?",
        Cause::Unbound(_) => "`pvhost check` shows what was meant",
        Cause::Exception(_) => return hint_of_access(guest, bad?).map(str::to_owned),
        _ => return None,
    };
    Some(hint.to_owned())
}

fn hint_of_access(guest: Guest<'_>, bad: BadAccess) -> Option<&'static str> {
    let rights = guest.memory.access_at(bad.address);
    // Of what lies beside the image, the guest may write its free memory, and little else.
    let is_free = rights.is_some_and(|rights| rights.write) && guest.image.segment_at(bad.address, 1).is_none();
    match bad.access {
        AccessKind::Execute if bad.address < NULL_REACH => {
            Some("a call or jump through a null pointer; an external function that is not bound?")
        }
        AccessKind::Execute if is_free => Some(
            "memory beside the image is for data; a loader or compiler in the guest asks for the right to execute it: \
             an image by a note (`executable_memory!`, in C PARAVIRT_EXECUTABLE_MEMORY), its user by \
             `--executable-memory`; else a wild jump?",
        ),
        AccessKind::Execute => Some("a wild jump, or a return through a stack that was overwritten?"),
        _ if bad.address < NULL_REACH => Some("a null pointer?"),
        AccessKind::Write if rights.is_some() => Some("a write to code or to a constant?"),
        _ => None,
    }
}

/// Returns whether the guest was about to call L4: its thread's own data are at fs:0, its system calls in the page of
/// kernel information (L4Re for x86-32, `__l4sys_invoke_direct`).
fn calls_l4(bad: Option<BadAccess>, instruction: Option<&Instruction>) -> bool {
    const KERNEL_INFORMATION: core::ops::Range<u64> = 0xafff_f000..0xb000_0000;
    let called =
        bad.is_some_and(|bad| matches!(bad.access, AccessKind::Execute) && KERNEL_INFORMATION.contains(&bad.address));
    called || instruction.is_some_and(|instruction| instruction.segment_prefix() == Register::FS)
}

/// Returns whether the stack pointer is still what the host set it to, 0, or a few pushes below.
fn stack_is_unset(record: &Record, width: Width) -> bool {
    const PUSHED: u64 = 256;
    let below_zero = match width {
        Width::Bits32 => (record.stack as u32).wrapping_neg().into(),
        Width::Bits64 => record.stack.wrapping_neg(),
    };
    below_zero <= PUSHED
}

/// Returns whether the stack pointer is in the image but below the stack that the linker script reserved.
fn stack_overflowed(record: &Record, image: &Image) -> bool {
    /// The fault may come before the stack pointer has moved.
    const SLACK: u64 = 256;
    let start = image.segments().first().map_or(0, |s| s.address);
    image
        .symbols()
        .address_of("__stack_start")
        .is_some_and(|stack| (start..stack.saturating_add(SLACK)).contains(&record.stack))
}

/// Returns whether the instruction enters a kernel. Not every processor has each of them in each mode.
fn is_system_call(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter)
}

/// Returns whether the instruction needs ring 0, or access to ports or interrupts that user mode does not have.
fn is_privileged(instruction: &Instruction) -> bool {
    instruction.is_privileged()
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Cli
                | Mnemonic::Sti
                | Mnemonic::In
                | Mnemonic::Insb
                | Mnemonic::Insw
                | Mnemonic::Insd
                | Mnemonic::Out
                | Mnemonic::Outsb
                | Mnemonic::Outsw
                | Mnemonic::Outsd
        )
}
