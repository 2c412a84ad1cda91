// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts: from the vector to the guest's handlers and back.
//!
//! The entry goes over to the interrupted stack, saves there what a function may change, and calls the backend's
//! handler, which asks the interrupt controller what has come, serves the device and marks lines pending. Then the
//! virtual flag says what to do: with the flag on, the body of an upcall runs at once, on the same frame; with it off,
//! the interrupted code goes on with interrupts kept away, so that a device that is not yet served does not interrupt
//! for ever, see [`paravirt_abi::vcpu::HOST_MASKED`].
//!
//! At the end, turning the flag on, the test for pending lines and the way back happen with interrupts kept away, so
//! that frames never pile up.

use core::arch::global_asm;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::processor::{self, INTERRUPT_MASK};
use crate::backend::entry::{self, Return};
use crate::local::Local;
use crate::upcall::BODY;

/// A backend's handler. It is called with interrupts kept away, at any instant at which they were not.
pub type Handler = fn();

static HANDLER: Local<Option<Handler>> = Local::new(None);

/// From now on, `handler` is called for each interrupt. To be set before the first can come.
///
/// # Safety
/// The handler and what it calls are in nobody's critical section, and interrupt those of others: they may touch what
/// is theirs alone, and call what this crate says may be called from an entry, such as
/// [`crate::backend::lines::signal`] and [`crate::backend::timers::expire`].
pub unsafe fn set_handler(handler: Handler) {
    HANDLER.set(Some(handler));
}

/// Waits until a line is pending. Called with the virtual interrupt flag off: an interrupt that ends the wait marks its
/// line and leaves interrupts kept away.
pub fn wait() {
    // No interrupt comes between test and wait.
    processor::close_interrupts();
    while !entry::is_pending() {
        processor::wait();
    }
    entry::mark_host_closed();
}

/// Takes an interrupt; whether to run the body of an upcall. `state` is the processor's state that comes back.
///
/// # Safety
/// For the entry: `state` must be valid for reads and writes.
unsafe extern "C" fn take(state: *mut u64) -> bool {
    if let Some(handler) = HANDLER.get() {
        handler();
    }
    match entry::leave() {
        Return::AsItWas => false,
        Return::Closed => {
            // SAFETY: the caller's part of the contract.
            unsafe { *state |= INTERRUPT_MASK };
            false
        }
        Return::Upcall => true,
    }
}

global_asm!(
    ".pushsection .text.paravirt_interrupt, \"ax\", @progbits",
    ".balign 64",
    ".globl __paravirt_interrupt",
    ".hidden __paravirt_interrupt",
    ".type __paravirt_interrupt, @function",
    "__paravirt_interrupt:",
    "    .cfi_startproc",
    "    .cfi_signal_frame",                  // who walks the stack goes on with the interrupted code
    "    .cfi_return_column 32",              // the program counter's number; the link register is the interrupted one
    "    .cfi_undefined 32",                  // where no table can say it is
    "    msr spsel, #0",                      // to the interrupted stack
    "    sub sp, sp, #704",
    "    stp x0, x1, [sp, #0]",               // every register that a C function may change
    "    stp x2, x3, [sp, #16]",
    "    stp x4, x5, [sp, #32]",
    "    stp x6, x7, [sp, #48]",
    "    stp x8, x9, [sp, #64]",
    "    stp x10, x11, [sp, #80]",
    "    stp x12, x13, [sp, #96]",
    "    stp x14, x15, [sp, #112]",
    "    stp x16, x17, [sp, #128]",
    "    stp x18, x30, [sp, #144]",
    "    mrs x0, elr_el1",
    "    mrs x1, spsr_el1",
    "    stp x0, x1, [sp, #160]",
    "    .cfi_def_cfa_offset 704",
    "    .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18",
    "    .cfi_offset \\n, 8 * \\n - 704",
    "    .endr",
    "    .cfi_offset x30, 152 - 704",
    "    .cfi_offset 32, 160 - 704",
    "    mrs x0, fpcr",
    "    mrs x1, fpsr",
    "    stp x0, x1, [sp, #176]",
    "    stp q0, q1, [sp, #192]",             // of v8 to v15 a C function keeps the lower halves only
    "    stp q2, q3, [sp, #224]",
    "    stp q4, q5, [sp, #256]",
    "    stp q6, q7, [sp, #288]",
    "    stp q8, q9, [sp, #320]",
    "    stp q10, q11, [sp, #352]",
    "    stp q12, q13, [sp, #384]",
    "    stp q14, q15, [sp, #416]",
    "    stp q16, q17, [sp, #448]",
    "    stp q18, q19, [sp, #480]",
    "    stp q20, q21, [sp, #512]",
    "    stp q22, q23, [sp, #544]",
    "    stp q24, q25, [sp, #576]",
    "    stp q26, q27, [sp, #608]",
    "    stp q28, q29, [sp, #640]",
    "    stp q30, q31, [sp, #672]",
    "    msr fpcr, xzr",                      // what handlers begin with
    "    add x0, sp, #168",                   // the state in the frame
    "    bl {take}",
    "    tbz w0, #0, 2f",
    "1:  adrp x9, {body}",
    "    ldr x9, [x9, #:lo12:{body}]",
    "    blr x9",                             // runs handlers; returns with the flag off
    "    msr daifset, #2",                    // nothing comes between the flag and the way back
    "    adrp x9, __paravirt_vcpu",           // a page
    "    mov w10, #1",
    "    str w10, [x9, #{enabled}]",
    "    ldr w10, [x9, #{pending}]",          // did a line come while the flag was off?
    "    cbz w10, 2f",
    "    str wzr, [x9, #{enabled}]",          // yes: flag off again and once more
    "    b 1b",
    "2:  ldp q0, q1, [sp, #192]",
    "    ldp q2, q3, [sp, #224]",
    "    ldp q4, q5, [sp, #256]",
    "    ldp q6, q7, [sp, #288]",
    "    ldp q8, q9, [sp, #320]",
    "    ldp q10, q11, [sp, #352]",
    "    ldp q12, q13, [sp, #384]",
    "    ldp q14, q15, [sp, #416]",
    "    ldp q16, q17, [sp, #448]",
    "    ldp q18, q19, [sp, #480]",
    "    ldp q20, q21, [sp, #512]",
    "    ldp q22, q23, [sp, #544]",
    "    ldp q24, q25, [sp, #576]",
    "    ldp q26, q27, [sp, #608]",
    "    ldp q28, q29, [sp, #640]",
    "    ldp q30, q31, [sp, #672]",
    "    ldp x0, x1, [sp, #176]",
    "    msr fpcr, x0",
    "    msr fpsr, x1",
    "    ldp x0, x1, [sp, #160]",
    "    msr elr_el1, x0",
    "    msr spsr_el1, x1",
    "    ldp x0, x1, [sp, #0]",
    "    ldp x2, x3, [sp, #16]",
    "    ldp x4, x5, [sp, #32]",
    "    ldp x6, x7, [sp, #48]",
    "    ldp x8, x9, [sp, #64]",
    "    ldp x10, x11, [sp, #80]",
    "    ldp x12, x13, [sp, #96]",
    "    ldp x14, x15, [sp, #112]",
    "    ldp x16, x17, [sp, #128]",
    "    ldp x18, x30, [sp, #144]",
    "    add sp, sp, #704",
    "    .cfi_def_cfa_offset 0",
    "    .cfi_undefined 32",
    "    eret",
    "    .cfi_endproc",
    ".size __paravirt_interrupt, . - __paravirt_interrupt",
    ".popsection",
    take = sym take,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
);
