// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on i386. Frame: eip, cs, eflags, as for an interrupt without a change of privilege (Intel SDM volume 3, 6.12.1).

use core::arch::global_asm;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::BODY;

global_asm!(
    ".pushsection .text.paravirt_upcall, \"ax\", @progbits",
    ".balign 16",
    ".globl __paravirt_upcall",
    ".type __paravirt_upcall, @function",
    "__paravirt_upcall:",
    "    pushl %eax",                            // a register to look at the interrupted address with
    "    movl 4(%esp), %eax",                    // interrupted eip
    "    subl $5f, %eax",                        // offset into the window, or huge
    "    cmpl $(7f - 5f), %eax",                 // inside it?
    "    popl %eax",                             // (pop leaves the flags alone)
    "    jae 2f",
    "    leal 12(%esp), %esp",                   // yes: drop our frame; below it lies the outer one
    "2:  pushal",                                // every general register, by value of the interrupted code
    "    cld",                                   // the ABI of what we call; iret restores it
    "    movl %esp, %ebp",                       // survives the call, finds the registers again
    "    subl $512, %esp",                       // room for x87 and SSE state
    "    andl $-16, %esp",                       // fxsave and the call want 16-byte alignment
    "    fxsave (%esp)",
    "    fninit",                                // handlers start with the default control word
    "    call *{body}",                       // runs handlers; returns with the flag off
    "    fxrstor (%esp)",
    "    movl %ebp, %esp",
    "    popal",
    "    movl $1, __paravirt_vcpu + {enabled}",  // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  cmpl $0, __paravirt_vcpu + {pending}",  // did a line come while the flag was off?
    "    jne 6f",
    "    iretl",                                 // no: back, with the interrupted flags
    "6:  movl $0, __paravirt_vcpu + {enabled}",  // yes: flag off again and from the top, on the same frame
    "__paravirt_upcall_window_end:",
    "7:  jmp 2b",
    ".size __paravirt_upcall, . - __paravirt_upcall",
    ".popsection",
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
);
