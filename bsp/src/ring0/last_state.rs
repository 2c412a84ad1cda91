// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's registers and the top of its stack when it ends otherwise than it should, for whoever started QEMU and
//! has the image: callers can be found by them.
//!
//! They are lines of hexadecimal numbers on the debug console, before the record:
//!
//! ```text
//! paravirt: registers RAX RBX RCX RDX RSI RDI RBP RSP R8 R9 R10 R11 R12 R13 R14 R15 RIP
//! paravirt: stack ADDRESS WORD WORD ...
//! ```
//!
//! On i386 the registers are EAX EBX ECX EDX ESI EDI EBP ESP EIP. Words are the machine's, and of each line the first
//! is at its address.

use core::arch::asm;
use core::fmt::{self, Write};

use super::fault::{self, Fault};
use crate::local::Local;
use crate::start;

/// Bytes of the stack that are told.
const STACK: usize = 4096;
/// Words in a line: Xen cuts those of more than 199 characters.
const IN_LINE: usize = 8;

/// Number of general registers; behind them comes the instruction pointer.
const GENERAL: usize = if cfg!(target_arch = "x86_64") { 16 } else { 8 };
/// The stack pointer's index.
const STACK_POINTER: usize = 7;

type Registers = [usize; GENERAL + 1];

/// Those of the fault that ends the guest; all 0: there was none.
static OF_FAULT: Local<Registers> = Local::new([0; GENERAL + 1]);

/// A fault ends the guest.
pub(super) fn note(fault: &Fault) {
    let general = &fault.general;
    #[cfg(target_arch = "x86_64")]
    let registers = {
        let [r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax] = *general;
        let (rsp, rip) = (fault.stack, fault.instruction);
        [
            rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip,
        ]
    };
    #[cfg(target_arch = "x86")]
    let registers = {
        let [edi, esi, ebp, _, ebx, edx, ecx, eax] = *general;
        [eax, ebx, ecx, edx, esi, edi, ebp, fault.stack, fault.instruction]
    };
    // SAFETY: the guest is about to end, and nothing interrupts a fault's report.
    unsafe { OF_FAULT.set_large(registers) };
}

/// Tells the registers of the fault that was noted, or these here if there was none, and the stack. A fault in here is
/// not told.
#[inline(never)]
pub(super) fn tell(out: &mut impl Write) -> fmt::Result {
    static TELLING: Local<bool> = Local::new(false);
    if TELLING.get() {
        return Ok(());
    }
    TELLING.set(true);
    let mut registers = OF_FAULT.get();
    if registers == [0; GENERAL + 1] {
        registers = here();
    }
    out.write_str("paravirt: registers")?;
    for register in registers {
        write!(out, " {register:x}")?;
    }
    let mut address = registers[STACK_POINTER] & !(size_of::<usize>() - 1);
    // A stack that has overflowed begins where it can be read.
    if fault::is_below_stack(address) {
        address = fault::guard_page() + 0x1000;
    }
    let end = end_of_memory(address).min(address.saturating_add(STACK));
    let mut word = 0;
    while address < end {
        if word % IN_LINE == 0 {
            write!(out, "\nparavirt: stack {address:x}")?;
        }
        // SAFETY: in the image's memory or in what the host has given the guest, as was found out; aligned.
        let value = unsafe { (address as *const usize).read_volatile() };
        write!(out, " {value:x}")?;
        address += size_of::<usize>();
        word += 1;
    }
    out.write_str("\n")
}

/// Where the memory of the guest's ends in which that address is; 0: it is in none.
fn end_of_memory(address: usize) -> usize {
    unsafe extern "C" {
        static __image_start: u8;
        static __image_end: u8;
    }
    let image = &raw const __image_start as usize..&raw const __image_end as usize;
    if image.contains(&address) {
        return image.end;
    }
    let address = address as u64;
    let mut ranges = start::memory().iter();
    let range = ranges.find(|range| (range.start..range.start.saturating_add(range.size)).contains(&address));
    // What a guest can address.
    range.map_or(0, |range| (range.start + range.size) as usize)
}

/// The registers at an instruction in here.
#[inline(always)]
fn here() -> Registers {
    let mut registers = [0; GENERAL + 1];
    // SAFETY: stores to the array, as many words as it has.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "movq %rax, (%rdi)",
            "movq %rbx, 8(%rdi)",
            "movq %rcx, 16(%rdi)",
            "movq %rdx, 24(%rdi)",
            "movq %rsi, 32(%rdi)",
            "movq %rdi, 40(%rdi)",
            "movq %rbp, 48(%rdi)",
            "movq %rsp, 56(%rdi)",
            "movq %r8, 64(%rdi)",
            "movq %r9, 72(%rdi)",
            "movq %r10, 80(%rdi)",
            "movq %r11, 88(%rdi)",
            "movq %r12, 96(%rdi)",
            "movq %r13, 104(%rdi)",
            "movq %r14, 112(%rdi)",
            "movq %r15, 120(%rdi)",
            "leaq 2f(%rip), %rax",
            "2: movq %rax, 128(%rdi)",
            in("rdi") &raw mut registers,
            out("rax") _,
            options(att_syntax, nostack, preserves_flags),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "movl %eax, (%edi)",
            "movl %ebx, 4(%edi)",
            "movl %ecx, 8(%edi)",
            "movl %edx, 12(%edi)",
            "movl %esi, 16(%edi)",
            "movl %edi, 20(%edi)",
            "movl %ebp, 24(%edi)",
            "movl %esp, 28(%edi)",
            "2: movl $2b, 32(%edi)",
            in("edi") &raw mut registers,
            options(att_syntax, nostack, preserves_flags),
        );
    }
    registers
}
