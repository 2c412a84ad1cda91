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
//! On i386 the registers are EAX EBX ECX EDX ESI EDI EBP ESP EIP, on AArch64 X0 to X30, SP and PC, in several such
//! lines. Words are the machine's, and of each line the first is at its address.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(any(target_arch = "x86", target_arch = "x86_64"), path = "x86.rs")]
mod registers;

use core::fmt::{self, Write};

use crate::local::Local;
use crate::machine::fault::Fault;
use crate::start;
use crate::stop::{guard_page, is_below_stack};
use registers::{COUNT, Registers, STACK_POINTER};

/// Bytes of the stack that are told.
const STACK: usize = 4096;
/// Words in a line: Xen cuts those of more than 199 characters.
const IN_LINE: usize = 8;

/// Those of the fault that ends the guest; all 0: there was none.
static OF_FAULT: Local<Registers> = Local::new([0; COUNT]);

/// A fault ends the guest.
pub(crate) fn note(fault: &Fault) {
    // SAFETY: the guest is about to end, and nothing interrupts a fault's report.
    unsafe { OF_FAULT.set_large(registers::of(fault)) };
}

/// Tells the registers of the fault that was noted, or these here if there was none, and the stack. A fault in here is
/// not told.
#[inline(never)]
pub(crate) fn tell(out: &mut impl Write) -> fmt::Result {
    static TELLING: Local<bool> = Local::new(false);
    if TELLING.get() {
        return Ok(());
    }
    TELLING.set(true);
    let mut registers = OF_FAULT.get();
    if registers == [0; COUNT] {
        registers = registers::here();
    }
    for (index, register) in registers.into_iter().enumerate() {
        if index % registers::IN_LINE == 0 {
            out.write_str(if index == 0 {
                "paravirt: registers"
            } else {
                "\nparavirt: registers"
            })?;
        }
        write!(out, " {register:x}")?;
    }
    let mut address = registers[STACK_POINTER] & !(size_of::<usize>() - 1);
    // A stack that has overflowed begins where it can be read.
    if is_below_stack(address) {
        address = guard_page() + 0x1000;
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
