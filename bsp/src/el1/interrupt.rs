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

/// Stores or loads `v0` to `v31` in the frame.
macro_rules! vectors {
    ($instruction:literal) => {
        pairs!($instruction, "q", 16, ["sp", 192]: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17, 18 19, 20 21, 22 23,
            24 25, 26 27, 28 29, 30 31)
    };
}

asm_function! {
    "__paravirt_interrupt", align: 64;
    "    .cfi_startproc",
    "    .cfi_signal_frame",                  // who walks the stack goes on with the interrupted code
    "    .cfi_return_column 32",              // the program counter's number; the link register is the interrupted one
    "    .cfi_undefined 32",                  // where no table can say it is
    "    msr spsel, #0",                      // to the interrupted stack
    "    sub sp, sp, #704",
    // Every register that a C function may change.
    pairs!("stp", "x", 8, ["sp", 0]: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17),
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
    // Of v8 to v15 a C function keeps the lower halves only.
    vectors!("stp"),
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
    "2:",
    vectors!("ldp"),
    "    ldp x0, x1, [sp, #176]",
    "    msr fpcr, x0",
    "    msr fpsr, x1",
    "    ldp x0, x1, [sp, #160]",
    "    msr elr_el1, x0",
    "    msr spsr_el1, x1",
    pairs!("ldp", "x", 8, ["sp", 0]: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17),
    "    ldp x18, x30, [sp, #144]",
    "    add sp, sp, #704",
    "    .cfi_def_cfa_offset 0",
    "    .cfi_undefined 32",
    "    eret",
    "    .cfi_endproc";
    take = sym take,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
}
