// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vectors of EL1 (Arm Architecture Reference Manual, D1.3.6): interrupts go to [`super::interrupt`], everything
//! else is a fault, reported on a stack of its own.

use core::mem::offset_of;

use super::fault::{self, Fault};
use crate::local::Local;

/// Bytes of the stack on which faults are reported.
const STACK: usize = 8192;

/// That stack.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct FaultStack([u8; STACK]);

pub(super) static FAULT_STACK: Local<FaultStack> = Local::new(FaultStack([0; STACK]));

/// Where it begins, above it.
pub(super) const FAULT_STACK_SIZE: usize = STACK;

/// What an entry leaves on that stack, lowest address first.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Frame {
    /// `x2` to `x30`.
    pub(super) others: [u64; 29],
    /// Number of the vector, 0 to 15.
    pub(super) vector: u64,
    /// Stack pointer of the code at fault.
    pub(super) stack: u64,
    /// `ELR_EL1`, `SPSR_EL1`, `ESR_EL1`, `FAR_EL1`.
    pub(super) instruction: u64,
    pub(super) state: u64,
    pub(super) syndrome: u64,
    pub(super) address: u64,
    padding: u64,
    /// `x0` and `x1`.
    pub(super) first: [u64; 2],
}

const _: () = assert!(size_of::<Frame>().is_multiple_of(16) && offset_of!(Frame, first) % 16 == 0);

unsafe extern "C" {
    /// The instruction by which QEMU is asked; changes `x0`.
    pub(super) fn __paravirt_semihosting();
    /// The vectors.
    pub(super) static __paravirt_vectors: u8;
}

asm_function! {
    "__paravirt_vectors", align: 2048;
    ".set .Lvector, 0",
    ".rept 16",
    ".balign 128",
    ".if .Lvector == 1",                      // an interrupt, from code that uses SP_EL0
    "    b __paravirt_interrupt",
    ".else",
    "    stp x0, x1, [sp, #-16]!",            // on SP_EL1
    "    mov x1, #.Lvector",
    "    b 1f",
    ".endif",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    ".balign 128",
    "1:  mrs x0, elr_el1",
    "    sub sp, sp, #{first}",               // room for the rest of the frame
    "    str x2, [sp, #{others}]",
    "    adrp x2, __paravirt_semihosting",
    "    add x2, x2, #:lo12:__paravirt_semihosting",
    "    cmp x0, x2",
    "    b.eq 2f",
    // The first of the frame is x2.
    pairs!("stp", "x", 8, ["sp", -16]: 3 4, 5 6, 7 8, 9 10, 11 12, 13 14, 15 16, 17 18, 19 20, 21 22, 23 24, 25 26, 27 28,
        29 30),
    "    mrs x2, sp_el0",
    "    cmp x1, #4",                         // from code that uses SP_EL0?
    "    b.lo 3f",
    "    add x2, sp, #{size}",                // no: above this frame
    "3:  stp x1, x2, [sp, #{vector}]",
    "    mrs x3, spsr_el1",
    "    stp x0, x3, [sp, #{instruction}]",
    "    mrs x2, esr_el1",
    "    mrs x3, far_el1",
    "    stp x2, x3, [sp, #{syndrome}]",
    "    mov x0, sp",
    "    mov x29, xzr",
    "    bl {report}",                        // does not return
    "    udf #0",
    "2:  add x0, x0, #4",                     // nobody listens: behind the instruction, with -1
    "    msr elr_el1, x0",
    "    ldr x2, [sp, #{others}]",
    "    add sp, sp, #{first}",
    "    ldp x0, x1, [sp], #16",
    "    mov x0, #-1",
    "    eret";
    first = const offset_of!(Frame, first),
    others = const offset_of!(Frame, others),
    vector = const offset_of!(Frame, vector),
    instruction = const offset_of!(Frame, instruction),
    syndrome = const offset_of!(Frame, syndrome),
    size = const size_of::<Frame>(),
    report = sym report,
}

// Nothing but this instruction's address says what it is for.
asm_function! { "__paravirt_semihosting", align: 4; "hlt #0xf000", "ret"; }

/// Where the entries of faults end.
///
/// # Safety
/// `frame` must be what such an entry has on its stack.
unsafe extern "C" fn report(frame: *const Frame) -> ! {
    // SAFETY: the caller's part.
    let frame = unsafe { &*frame };
    let mut registers = [0; 31];
    for (register, &value) in registers.iter_mut().zip(frame.first.iter().chain(&frame.others)) {
        *register = value;
    }
    fault::report(&Fault {
        vector: frame.vector as usize,
        syndrome: frame.syndrome,
        instruction: frame.instruction as usize,
        stack: frame.stack as usize,
        address: frame.address as usize,
        registers,
    })
}
