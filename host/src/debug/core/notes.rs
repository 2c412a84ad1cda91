// SPDX-License-Identifier: MIT OR Apache-2.0
//! The notes of a core: what Linux writes of a process, of a guest (linux/elfcore.h, asm/user_64.h, asm/user_32.h and
//! asm/elf.h).

use paravirt_abi::signature::Width;
use paravirt_host_core::fault::Registers;

use super::{Core, Ending, Thread};
use crate::image::pointer_size;

/// Kinds of notes (elf.h).
const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_PRXFPREG: u32 = 0x46e6_2b7f;

/// Entries of the auxiliary vector (elf.h).
const AT_NULL: u64 = 0;
const AT_PAGESZ: u64 = 6;
const AT_ENTRY: u64 = 9;

/// The guest as a process: its number, which is no thread's.
const PROCESS: u32 = 1;

/// Selectors that Linux gives 64-bit and 32-bit code, and data (asm/segment.h).
const CODE_64: u64 = 0x33;
const CODE_32: u64 = 0x23;
const DATA: u64 = 0x2b;

/// Bytes that are filled in piece by piece, in the order of their places.
struct Record {
    bytes: Vec<u8>,
    width: Width,
}

impl Record {
    const fn new(width: Width) -> Self {
        let bytes = Vec::new();
        Self { bytes, width }
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// Zeros until it has that size.
    fn up_to(&mut self, size: usize) -> &mut Self {
        self.bytes.resize(size, 0);
        self
    }

    /// Numbers of the guest's width.
    fn words(&mut self, words: impl IntoIterator<Item = u64>) -> &mut Self {
        for word in words {
            match self.width {
                Width::Bits32 => self.bytes.extend((word as u32).to_le_bytes()),
                Width::Bits64 => self.bytes.extend(word.to_le_bytes()),
            }
        }
        self
    }

    /// Text with room for `size` bytes, of which the last is 0.
    fn text(&mut self, text: &str, size: usize) -> &mut Self {
        let end = self.bytes.len() + size;
        let text = text.as_bytes();
        self.bytes(&text[..text.len().min(size - 1)]).up_to(end)
    }
}

/// All notes, one behind the other. The first thread's come first: it is the one that debuggers show.
pub(super) fn notes(core: &Core<'_>) -> Vec<u8> {
    let width = core.image.machine().width();
    let mut notes = Vec::new();
    for (index, thread) in core.threads.iter().enumerate() {
        let signal = core.ending.signal;
        push(&mut notes, "CORE", NT_PRSTATUS, &status(thread, signal, width));
        if index == 0 {
            push(&mut notes, "CORE", NT_PRPSINFO, &process(core, width));
            push(&mut notes, "CORE", NT_SIGINFO, &signal_info(core.ending, width));
            push(&mut notes, "CORE", NT_AUXV, &auxiliary(core, width));
        }
        let units = thread.units.unwrap_or_else(initial_units);
        match width {
            Width::Bits32 => push(&mut notes, "LINUX", NT_PRXFPREG, &units),
            Width::Bits64 => push(&mut notes, "CORE", NT_FPREGSET, &units),
        }
    }
    notes
}

/// The x87 unit and SSE as they are at first, for a thread of which nobody knows more: where there is no such note,
/// debuggers take one of the image's own for it, which they find in the memory (GNU BFD, elf.c).
fn initial_units() -> [u8; 512] {
    let mut units = [0; 512];
    // Control words, and which bits of SSE's there are (Intel SDM volume 1, 10.5.1).
    units[..2].copy_from_slice(&0x37f_u16.to_le_bytes());
    units[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
    units[28..32].copy_from_slice(&0xffff_u32.to_le_bytes());
    units
}

/// A note: sizes and kind, then name and content, each up to a multiple of four bytes.
fn push(notes: &mut Vec<u8>, name: &str, kind: u32, content: &[u8]) {
    for word in [name.len() as u32 + 1, content.len() as u32, kind] {
        notes.extend(word.to_le_bytes());
    }
    notes.extend(name.as_bytes());
    notes.push(0);
    notes.resize(notes.len().next_multiple_of(4), 0);
    notes.extend(content);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

/// `struct elf_prstatus`, with the signal by which the guest ended.
fn status(thread: &Thread, signal: i32, width: Width) -> Vec<u8> {
    let mut record = Record::new(width);
    let (number, registers, size) = match width {
        Width::Bits32 => (24, 72, 144),
        Width::Bits64 => (32, 112, 336),
    };
    record.up_to(12).bytes(&(signal as u16).to_le_bytes());
    record.up_to(number).bytes(&thread.id.to_le_bytes());
    record.up_to(registers);
    match width {
        Width::Bits32 => record.words(registers_32(&thread.registers)),
        Width::Bits64 => record.words(registers_64(&thread.registers, thread.fs_base)),
    };
    record.up_to(size - pointer_size(width) as usize);
    // There are others, in a note of their own.
    record.words([1]);
    record.bytes
}

/// `struct user_regs_struct` for x86-64.
const fn registers_64(registers: &Registers, fs_base: u64) -> [u64; 27] {
    let [rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, rest @ ..] = registers.general;
    let [r8, r9, r10, r11, r12, r13, r14, r15] = rest;
    // Not in a system call: so its number is -1.
    let (rip, eflags, orig_rax) = (registers.instruction, registers.flags, u64::MAX);
    [
        r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, CODE_64, eflags, rsp,
        DATA, fs_base, 0, 0, 0, 0, 0,
    ]
}

/// The same for i386.
const fn registers_32(registers: &Registers) -> [u64; 17] {
    let [eax, ebx, ecx, edx, esi, edi, ebp, esp, ..] = registers.general;
    let (eip, eflags, orig_eax) = (registers.instruction, registers.flags, u64::MAX);
    [
        ebx, ecx, edx, esi, edi, ebp, eax, DATA, DATA, 0, 0, orig_eax, eip, CODE_32, eflags, esp, DATA,
    ]
}

/// `struct elf_prpsinfo`: the guest's name and command line.
fn process(core: &Core<'_>, width: Width) -> Vec<u8> {
    let (number, name) = match width {
        Width::Bits32 => (12, 28),
        Width::Bits64 => (24, 40),
    };
    let program = core.program();
    let mut record = Record::new(width);
    record.bytes(&[0, b'R']);
    record.up_to(number).bytes(&PROCESS.to_le_bytes());
    let line = format!("{program} {}", core.command_line);
    record.up_to(name).text(program, 16).text(line.trim_end(), 80);
    record.bytes
}

/// `siginfo_t`.
fn signal_info(ending: Ending, width: Width) -> Vec<u8> {
    let mut record = Record::new(width);
    for number in [ending.signal, 0, ending.code] {
        record.bytes(&number.to_le_bytes());
    }
    let address = record.bytes.len().next_multiple_of(pointer_size(width) as usize);
    record.up_to(address).words([ending.address]).up_to(128);
    record.bytes
}

/// The auxiliary vector. By the entry, debuggers see that the image lies where it was linked.
fn auxiliary(core: &Core<'_>, width: Width) -> Vec<u8> {
    let mut record = Record::new(width);
    record.words([AT_PAGESZ, super::elf::PAGE, AT_ENTRY, core.image.entry(), AT_NULL, 0]);
    record.bytes
}
