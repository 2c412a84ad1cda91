// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on AArch64, at EL0. Frame: the one of a signal on Linux, [`UpcallFrame`], with every register. No
//! instruction at EL0 restores program counter and registers at once, so the return is Linux' own, `rt_sigreturn`.
//!
//! A guest at EL1 is interrupted through its vectors and goes back by `eret`, see `el1::interrupt`; it does not come
//! here.

use core::mem::offset_of;

use paravirt_abi::aarch64::{RT_SIGRETURN, UpcallFrame};
use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::BODY;

asm_function! {
    "__paravirt_deliver", align: 16; // a call, which keeps what calls keep: handlers begin as in an upcall
    "    .cfi_startproc",
    "    stp x29, x30, [sp, #-48]!",
    "    .cfi_def_cfa_offset 48",
    "    .cfi_offset x29, -48",
    "    .cfi_offset x30, -40",
    "    mov x29, sp",
    "    stp x19, x20, [sp, #16]",
    "    .cfi_offset x19, -32",
    "    .cfi_offset x20, -24",
    "    mrs x9, fpcr",                     // control and exception flags of floating point
    "    mrs x10, fpsr",
    "    stp x9, x10, [sp, #32]",
    "    adrp x19, __paravirt_vcpu",        // a page
    "    adrp x20, {body}",
    "8:  str wzr, [x19, #{enabled}]",
    "    msr fpcr, xzr",                    // what handlers begin with
    "    ldr x9, [x20, #:lo12:{body}]",
    "    blr x9",                           // runs handlers; returns with the flag off
    "    mov w9, #1",
    "    str w9, [x19, #{enabled}]",
    "    ldr w9, [x19, #{pending}]",        // did a line come while the flag was off?
    "    cbnz w9, 8b",
    "    ldp x9, x10, [sp, #32]",
    "    msr fpcr, x9",
    "    msr fpsr, x10",
    "    ldp x19, x20, [sp, #16]",
    "    ldp x29, x30, [sp], #48",
    "    .cfi_def_cfa_offset 0",
    "    .cfi_restore x19",
    "    .cfi_restore x20",
    "    .cfi_restore x29",
    "    .cfi_restore x30",
    "    ret",
    "    .cfi_endproc";
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
}

asm_function! {
    global "__paravirt_upcall", align: 16;
    "    .cfi_startproc simple",            // who walks the stack goes on with the interrupted code
    "    .cfi_signal_frame",
    "    .cfi_return_column 32",            // the program counter's number; the link register is the interrupted one
    "    .cfi_def_cfa sp, {size}",          // above the frame, which is at the stack pointer all the time
    "    .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "    .cfi_offset \\n, {registers} + 8 * \\n - {size}",
    "    .endr",
    "    .cfi_offset sp, {sp} - {size}",
    "    .cfi_offset 32, {pc} - {size}",
    "    ldr x9, [sp, #{pc}]",              // interrupted address
    "    adr x10, 5f",                      // start of the window
    "    sub x9, x9, x10",                  // offset into the window, or huge
    "    cmp x9, #(7f - 5f)",               // inside it?
    "    b.hs 2f",
    "    ldr x9, [sp, #{sp}]",              // yes: the interrupted stack pointer is the outer frame; drop ours
    "    mov sp, x9",
    "2:  adrp x19, __paravirt_vcpu",        // a page; the frame has every register
    "    msr fpcr, xzr",                    // what handlers begin with
    "    adrp x9, {body}",
    "    ldr x9, [x9, #:lo12:{body}]",
    "    blr x9",                           // runs handlers; returns with the flag off
    "    mov w8, #{rt_sigreturn}",
    "    mov w9, #1",
    "    str w9, [x19, #{enabled}]",        // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  ldr w9, [x19, #{pending}]",        // did a line come while the flag was off?
    "    cbnz w9, 6f",
    "    svc #0",                           // no: back, with the interrupted registers
    "6:  str wzr, [x19, #{enabled}]",       // yes: flag off again and from the top, on the same frame
    "__paravirt_upcall_window_end:",
    "7:  b 2b",
    "    .cfi_endproc";
    body = sym BODY,
    size = const size_of::<UpcallFrame>(),
    registers = const offset_of!(UpcallFrame, registers),
    pc = const offset_of!(UpcallFrame, pc),
    sp = const offset_of!(UpcallFrame, sp),
    rt_sigreturn = const RT_SIGRETURN,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
}
