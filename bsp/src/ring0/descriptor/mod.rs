// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptor tables: segments, and the entries of exceptions and interrupts (Intel SDM volume 3, 3.4 and 6.10).

use core::arch::asm;

use super::fault::{self, Fault, General};
use super::interrupt;
use crate::local::Local;
use crate::upcall::{interrupt_frame, push_all};

#[cfg(target_arch = "x86")]
mod i386;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86")]
pub use i386::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// Selectors in the global table.
pub(super) const CODE: u16 = 0x08;
pub(super) const DATA: u16 = 0x10;

/// Number of exceptions.
const EXCEPTIONS: usize = interrupt::FIRST as usize;
/// Vectors with an entry: those of exceptions and of interrupts.
const VECTORS: usize = EXCEPTIONS + interrupt::COUNT as usize;
/// Bytes from one entry of an exception to the next.
const STRIDE: usize = 16;
/// Exceptions for which the processor pushes an error code, one bit each (Intel SDM volume 3, table 6-1).
const WITH_ERROR_CODE: u32 = 0x6022_7d00;

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: usize,
}

/// What an exception's entry leaves on the stack, lowest address first; the processor's own frame begins with the error
/// code.
#[repr(C)]
struct Frame {
    general: General,
    vector: usize,
    error: usize,
    instruction: usize,
    code_segment: usize,
    flags: usize,
    #[cfg(target_arch = "x86_64")]
    stack: usize,
    #[cfg(target_arch = "x86_64")]
    stack_segment: usize,
}

/// Bytes of the frame that the processor pushes, without an error code.
pub(super) const FRAME: usize = if cfg!(target_arch = "x86_64") { 40 } else { 12 };

// The vector's number ends up behind an error code, whether the processor pushed one or not.
x86_function! {
    "__paravirt_exceptions", align: 16;
    interrupt_frame!(),
    ".set .Lvector, 0",
    ".rept 32",
    ".if (({with_error_code} >> .Lvector) & 1) == 0",
    "    .cfi_def_cfa_offset {frame}",
    "    push $0",
    ".endif",
    "    .cfi_def_cfa_offset {frame} + \\word",
    "    push $.Lvector",
    "    .cfi_def_cfa_offset {frame} + 2 * \\word",
    "    jmp 1f",
    ".balign {stride}",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    "1:",
    push_all!(),
    "    mov \\sp, \\bp",                 // the frame
    "    .cfi_def_cfa_register \\bp",
    "    cld",                            // the ABI of what we call
    "    and $-16, \\sp",
    // The argument; a word of it is aligned to 16 bytes at the call.
    if_x86_64!("movq %rbp, %rdi", "subl $12, %esp\npushl %ebp"),
    "    call {report}",                  // does not return
    "    ud2",
    "    .cfi_endproc";
    with_error_code = const WITH_ERROR_CODE,
    stride = const STRIDE,
    frame = const FRAME,
    report = sym report,
    options(att_syntax),
}

unsafe extern "C" {
    /// The entries of exceptions, [`STRIDE`] bytes each.
    static __paravirt_exceptions: u8;
}

/// Where the processor enters for a vector.
fn entry_of(vector: usize) -> usize {
    if vector < EXCEPTIONS {
        &raw const __paravirt_exceptions as usize + vector * STRIDE
    } else {
        &raw const interrupt::__paravirt_interrupts as usize + (vector - EXCEPTIONS) * interrupt::STRIDE
    }
}

static GATES: Local<[Gate; VECTORS]> = Local::new([NO_GATE; VECTORS]);

/// Loads a gate for every vector.
fn load_gates() {
    let gates: *mut Gate = GATES.as_ptr().cast();
    for vector in 0..VECTORS {
        // SAFETY: the index is below the table's length, and nothing else uses the table yet.
        unsafe { gates.add(vector).write(gate(vector)) };
    }
    let pointer = TablePointer {
        limit: (size_of::<[Gate; VECTORS]>() - 1) as u16,
        base: gates as usize,
    };
    // SAFETY: a table that stays where it is, with entries for every vector up to the limit.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(nostack, preserves_flags)) };
}

/// Where the entries of exceptions end.
///
/// # Safety
/// `frame` must be what such an entry has on its stack.
unsafe extern "C" fn report(frame: *const Frame) -> ! {
    // SAFETY: the caller's part.
    let frame = unsafe { &*frame };
    fault::report(&Fault {
        vector: frame.vector,
        error: frame.error,
        instruction: frame.instruction,
        #[cfg(target_arch = "x86_64")]
        stack: frame.stack,
        // Without a change of privilege the processor pushes no stack pointer: it pointed above its frame.
        #[cfg(target_arch = "x86")]
        stack: &raw const *frame as usize + size_of::<Frame>(),
        general: frame.general,
        address: super::processor::fault_address(),
    })
}
