// SPDX-License-Identifier: MIT OR Apache-2.0
//! A fault in words: what happened, where, at which instruction, and what may be the reason.

use std::fmt;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction, Mnemonic,
};
use paravirt_abi::signature::Width;

use super::super::vcpu::Vcpu;
use super::{Cause, Record};
use crate::image::Image;

/// The longest x86 instruction in bytes.
const LONGEST_INSTRUCTION: u64 = 15;

/// Distance below the stack within which an access looks like an overflow.
const OVERFLOW_REACH: u64 = 64 * 1024;

/// `si_code` of a SIGSEGV for which the processor gave no address: general protection (Linux, asm-generic/siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// What a guest did that it may not, with all that helps to find it. [`fmt::Display`] prints several lines.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Address of the instruction; 0 if the guest was in a host function and has no valid return address.
    pub instruction: u64,
    /// The function it belongs to, with the offset, if the image has symbols.
    pub function: Option<String>,
    /// The instruction, disassembled, if it is in the guest's memory.
    pub disassembly: Option<String>,
    /// The address the fault is about, if it has one.
    pub address: Option<u64>,
    /// A guess at the reason.
    pub hint: Option<String>,
    registers: Option<Registers>,
}

/// The registers at that moment.
#[derive(Clone, Copy, Debug)]
struct Registers {
    width: Width,
    general: [u64; 16],
    flags: u64,
}

impl Fault {
    pub(in crate::process) fn new(record: &Record, vcpu: &Vcpu, image: &Image) -> Self {
        let instruction = match record.general {
            Some(_) => record.instruction,
            None => return_address(vcpu, record.stack).unwrap_or(0),
        };
        let decoded = record
            .general
            .and_then(|_| decode(vcpu, instruction));
        let address = match record.cause {
            Cause::Processor {
                signal: libc::SIGSEGV | libc::SIGBUS,
                code,
                address,
            } if code != SI_KERNEL => Some(address),
            _ => None,
        };
        Self {
            what: describe(record, vcpu, address),
            instruction,
            function: image
                .symbols()
                .function_at(instruction)
                .map(|location| location.to_string()),
            disassembly: decoded.as_ref().map(disassemble),
            address,
            hint: hint(record, vcpu, image, address, decoded.as_ref()),
            registers: record.general.map(|general| Registers {
                width: vcpu.width,
                general,
                flags: record.flags,
            }),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  at {:#010x}", self.what, self.instruction)?;
        if let Some(function) = &self.function {
            write!(f, " {function}")?;
        }
        if let Some(disassembly) = &self.disassembly {
            write!(f, "\n  instruction: {disassembly}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        if let Some(registers) = &self.registers {
            write!(f, "{registers}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES_64: [&str; 16] = [
            "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ];
        const NAMES_32: [&str; 8] = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"];
        let (names, digits): (&[_], _) = match self.width {
            Width::Bits64 => (&NAMES_64, 18),
            Width::Bits32 => (&NAMES_32, 10),
        };
        for (i, (name, value)) in names.iter().zip(self.general).enumerate() {
            f.write_str(if i % 4 == 0 { "\n  " } else { "  " })?;
            write!(f, "{name:>3} {value:#0digits$x}")?;
        }
        write!(f, "\n  flags {:#x}", self.flags)
    }
}

/// What the top of the guest's stack holds in a call.
fn return_address(vcpu: &Vcpu, stack: u64) -> Option<u64> {
    let size = match vcpu.width {
        Width::Bits32 => 4,
        Width::Bits64 => 8,
    };
    let bytes = vcpu.memory.read(stack, size).ok()?;
    let mut address = [0; 8];
    address[..bytes.len()].copy_from_slice(&bytes);
    Some(u64::from_le_bytes(address))
}

fn decode(vcpu: &Vcpu, address: u64) -> Option<Instruction> {
    if !vcpu.memory.executable(address) {
        return None;
    }
    // At the end of the code there are fewer.
    let bytes = (1..=LONGEST_INSTRUCTION)
        .rev()
        .find_map(|size| vcpu.memory.read(address, size).ok())?;
    let bits = match vcpu.width {
        Width::Bits32 => 32,
        Width::Bits64 => 64,
    };
    let instruction = Decoder::with_ip(bits, &bytes, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn disassemble(instruction: &Instruction) -> String {
    let mut text = String::new();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.format(instruction, &mut text);
    text
}

fn describe(record: &Record, vcpu: &Vcpu, address: Option<u64>) -> String {
    let name = |index: u32| {
        vcpu.bindings
            .get(index as usize)
            .map_or("?", |binding| binding.name.as_str())
    };
    match record.cause {
        Cause::Processor { signal, code, .. } => match (signal, address) {
            (libc::SIGSEGV | libc::SIGBUS, Some(address)) => {
                let mapped = match vcpu.memory.access_at(address) {
                    Some(access) => format!("which is {access}"),
                    None => "where nothing is mapped".to_owned(),
                };
                let verb = if address == record.instruction { "execution" } else { "access" };
                format!("bad {verb} at address {address:#x}, {mapped}")
            }
            (libc::SIGSEGV | libc::SIGBUS, None) => "general protection fault".to_owned(),
            (libc::SIGILL, _) => "illegal instruction".to_owned(),
            (libc::SIGFPE, _) => "arithmetic fault (division by zero, overflow or an unmasked floating-point exception)".to_owned(),
            (libc::SIGTRAP, _) => "breakpoint".to_owned(),
            (libc::SIGSYS, _) => "system call made by guest code".to_owned(),
            _ => format!("signal {signal}, code {code}"),
        },
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
        Cause::WildResolve => {
            "call of the resolver that does not come from a function's thunk".to_owned()
        }
    }
}

fn hint(
    record: &Record,
    vcpu: &Vcpu,
    image: &Image,
    address: Option<u64>,
    instruction: Option<&Instruction>,
) -> Option<String> {
    if let Some(privileged) = instruction.filter(|i| is_privileged(i)) {
        let text = disassemble(privileged);
        let name = text.split_whitespace().next().unwrap_or_default();
        return Some(format!(
            "`{name}` is privileged: was this image built without RTEMS_PARAVIRT?"
        ));
    }
    let stack_start = image.symbols().address_of("__stack_start");
    let below_stack = |at: u64| {
        stack_start.is_some_and(|start| (start.saturating_sub(OVERFLOW_REACH)..=start + 256).contains(&at))
    };
    match record.cause {
        Cause::Processor {
            signal: libc::SIGSYS,
            ..
        } => Some(
            "a guest reaches its host through external functions only; this code belongs to a program for Linux"
                .to_owned(),
        ),
        Cause::Processor { .. } if address.is_some_and(below_stack) && below_stack(record.stack) => {
            Some("the stack overflowed: link with a larger __stack_size".to_owned())
        }
        Cause::UpcallStack if below_stack(record.stack) || record.stack == 0 => Some(
            "the stack overflowed, or interrupts were turned on before there was one".to_owned(),
        ),
        Cause::UpcallStack => {
            Some("is the stack pointer in memory that the guest may write?".to_owned())
        }
        Cause::Unbound(_) | Cause::Arguments(_) => {
            Some("`pvhost check` compares what the guest asks for with what a host provides".to_owned())
        }
        Cause::Processor { .. } => {
            let address = address?;
            if address == record.instruction && address < PAGE_ZERO {
                return Some(
                    "a call or jump through a null pointer; an external function that is not bound?"
                        .to_owned(),
                );
            }
            if address < PAGE_ZERO {
                return Some("a null pointer".to_owned());
            }
            match vcpu.memory.access_at(address) {
                Some(access) if !access.write && address != record.instruction => {
                    Some("a write to read-only memory: a constant, or code?".to_owned())
                }
                Some(access) if !access.execute => {
                    Some("data was executed: a wild jump, or a return through a damaged stack?".to_owned())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Addresses that a null pointer with an offset reaches.
const PAGE_ZERO: u64 = 0x1000;

/// Whether the instruction needs ring 0, or port access that a process does not have.
fn is_privileged(instruction: &Instruction) -> bool {
    if instruction.is_privileged() {
        return true;
    }
    let far = matches!(
        instruction.code(),
        Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16
    );
    let ports = matches!(
        instruction.mnemonic(),
        Mnemonic::In
            | Mnemonic::Out
            | Mnemonic::Insb
            | Mnemonic::Insw
            | Mnemonic::Insd
            | Mnemonic::Outsb
            | Mnemonic::Outsw
            | Mnemonic::Outsd
            | Mnemonic::Cli
            | Mnemonic::Sti
    );
    ports || far || instruction.flow_control() == FlowControl::Interrupt && instruction.mnemonic() == Mnemonic::Int
}
