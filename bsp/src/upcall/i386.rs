// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on i386. Frame: eip, cs, eflags, as for an interrupt without a change of privilege (Intel SDM volume 3,
//! 6.12.1).

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::{BODY, COMPONENTS, DEFAULT_MXCSR};

/// Puts x87, SSE and, where it is on, AVX state on the stack, which it aligns, and goes on with the state of a
/// program's start. Changes eax, edx and esp; needs `components` and `mxcsr`.
///
/// The area is that of `xsave` (Intel SDM volume 1, 13.4): 512 bytes as `fxsave` has them, a header of 64, of which
/// `xrstor` wants the first 24 zeroed before, 256 for AVX.
macro_rules! save_state {
    () => {
        concat!(
            "andl $-64, %esp\n",
            "movl {components}, %eax\n",
            "testb $4, %al\n", // AVX?
            "jz 81f\n",
            "subl $(256 + 40), %esp\n",
            "xorl %edx, %edx\n",
            "pushl %edx\n",
            "pushl %edx\n",
            "pushl %edx\n",
            "pushl %edx\n",
            "pushl %edx\n",
            "pushl %edx\n",
            "81: subl $512, %esp\n",
            "testb $4, %al\n",
            "jz 82f\n",
            "xsave (%esp)\n", // the components in edx:eax
            "jmp 83f\n",
            "82: fxsave (%esp)\n",
            "83: fninit\n",
            "testb $2, %al\n", // SSE?
            "jz 84f\n",
            "ldmxcsr {mxcsr}\n",
            "84:\n",
        )
    };
}

/// Loads what `save_state` left at the stack pointer. Changes eax and edx.
macro_rules! restore_state {
    () => {
        concat!(
            "movl {components}, %eax\n",
            "testb $4, %al\n",
            "jz 85f\n",
            "xorl %edx, %edx\n",
            "xrstor (%esp)\n",
            "jmp 86f\n",
            "85: fxrstor (%esp)\n",
            "86:\n",
        )
    };
}

/// Begins code that is entered with an interrupt's frame at the stack pointer: who walks the stack goes on with the
/// interrupted code.
macro_rules! interrupt_frame {
    () => {
        concat!(
            ".cfi_startproc simple\n",
            ".cfi_signal_frame\n",
            ".cfi_def_cfa esp, 12\n", // the interrupted stack pointer
            ".cfi_offset eip, -12\n",
            ".cfi_offset eflags, -4\n",
        )
    };
}

asm_function! {
    "__paravirt_deliver", align: 16; // a call, which keeps what calls keep: handlers begin as in an upcall
    "    .cfi_startproc",
    "    subl $44, %esp",                       // room for the words below; the call wants 16-byte alignment
    "    .cfi_adjust_cfa_offset 44",
    "    fnstenv (%esp)",                       // control word and exception flags of x87, 28 bytes,
    "    testb $2, {components}",               // SSE?
    "    jz 8f",
    "    stmxcsr 32(%esp)",                     // and of SSE
    "8:  movl $0, __paravirt_vcpu + {enabled}",
    "    fninit",                               // the control words that handlers begin with
    "    testb $2, {components}",
    "    jz 9f",
    "    ldmxcsr {mxcsr}",
    "9:  call *{body}",                         // runs handlers; returns with the flag off
    "    movl $1, __paravirt_vcpu + {enabled}",
    "    cmpl $0, __paravirt_vcpu + {pending}", // did a line come while the flag was off?
    "    jne 8b",
    "    testb $2, {components}",
    "    jz 8f",
    "    ldmxcsr 32(%esp)",
    "8:  fldenv (%esp)",
    "    addl $44, %esp",
    "    .cfi_adjust_cfa_offset -44",
    "    ret",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    components = sym COMPONENTS,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
}

asm_function! {
    global "__paravirt_upcall", align: 16;
    interrupt_frame!(),
    push!(eax),                                  // a register to look at the interrupted address with
    "    movl 4(%esp), %eax",                    // interrupted eip
    "    subl $5f, %eax",                        // offset into the window, or huge
    "    cmpl $(7f - 5f), %eax",                 // inside it?
    pop!(eax),                                   // (pop leaves the flags alone)
    "    jae 2f",
    "    leal 12(%esp), %esp",                   // yes: drop our frame; below it lies the outer one
    "2:  pushal",                                // every general register, by value of the interrupted code
    "    .cfi_adjust_cfa_offset 32",
    "    .cfi_rel_offset eax, 28",
    "    .cfi_rel_offset ecx, 24",
    "    .cfi_rel_offset edx, 20",
    "    .cfi_rel_offset ebx, 16",
    "    .cfi_rel_offset ebp, 8",
    "    .cfi_rel_offset esi, 4",
    "    .cfi_rel_offset edi, 0",
    "    cld",                                   // the ABI of what we call; iret restores it
    "    movl %esp, %ebp",                       // survives the call, finds the registers again
    "    .cfi_def_cfa_register ebp",
    save_state!(),
    "    call *{body}",                          // runs handlers; returns with the flag off
    restore_state!(),
    "    movl %ebp, %esp",
    "    .cfi_def_cfa_register esp",
    "    popal",
    "    .cfi_adjust_cfa_offset -32",
    "    .cfi_restore eax",
    "    .cfi_restore ecx",
    "    .cfi_restore edx",
    "    .cfi_restore ebx",
    "    .cfi_restore ebp",
    "    .cfi_restore esi",
    "    .cfi_restore edi",
    "    movl $1, __paravirt_vcpu + {enabled}",  // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  cmpl $0, __paravirt_vcpu + {pending}",  // did a line come while the flag was off?
    "    jne 6f",
    "    iretl",                                 // no: back, with the interrupted flags
    "6:  movl $0, __paravirt_vcpu + {enabled}",  // yes: flag off again and from the top, on the same frame
    "__paravirt_upcall_window_end:",
    "7:  jmp 2b",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    components = sym COMPONENTS,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
}
