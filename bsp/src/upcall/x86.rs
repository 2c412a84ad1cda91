// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on x86. Frame: on i386 eip, cs, eflags, as for an interrupt without a change of privilege (Intel SDM
//! volume 3, 6.12.1); on x86-64 rip, cs, rflags, rsp, ss (6.14.2).

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::{BODY, COMPONENTS, DEFAULT_MXCSR};

/// Puts x87, SSE and, where it is on, AVX state on the stack, which it aligns, and goes on with the state of a
/// program's start. Changes ax, dx and sp; needs `components` and `mxcsr`, in an `x86_function`.
///
/// The area is that of `xsave` (Intel SDM volume 1, 13.4): 512 bytes as `fxsave` has them, a header of 64, of which
/// `xrstor` wants the first 24 zeroed before, 256 for AVX.
macro_rules! save_state {
    () => {
        concat!(
            "and $-64, \\sp\n",
            "movl {components}\\ip, %eax\n",
            "testb $4, %al\n", // AVX?
            "jz 81f\n",
            "sub $(256 + 40), \\sp\n",
            "xorl %edx, %edx\n",
            ".rept 24 / \\word\n",
            "push \\dx\n",
            ".endr\n",
            "81: sub $512, \\sp\n",
            "testb $4, %al\n",
            "jz 82f\n",
            "xsave\\wide (\\sp)\n", // the components in edx:eax
            "jmp 83f\n",
            "82: fxsave\\wide (\\sp)\n",
            "83: fninit\n",
            ".if \\word == 4\n", // every 64-bit processor has SSE
            "testb $2, %al\n",
            "jz 84f\n",
            ".endif\n",
            "ldmxcsr {mxcsr}\\ip\n",
            "84:\n",
        )
    };
}

/// Loads what `save_state` left at the stack pointer. Changes ax and dx.
macro_rules! restore_state {
    () => {
        concat!(
            "movl {components}\\ip, %eax\n",
            "testb $4, %al\n",
            "jz 85f\n",
            "xorl %edx, %edx\n",
            "xrstor\\wide (\\sp)\n",
            "jmp 86f\n",
            "85: fxrstor\\wide (\\sp)\n",
            "86:\n",
        )
    };
}

/// Begins code that is entered with an interrupt's frame at the stack pointer: who walks the stack goes on with the
/// interrupted code. The interrupted stack pointer is in the frame, on i386 above it.
#[cfg(target_arch = "x86_64")]
macro_rules! interrupt_frame {
    () => {
        ".cfi_startproc simple\n.cfi_signal_frame\n.cfi_def_cfa rsp, 40\n\
         .cfi_offset rip, -40\n.cfi_offset rflags, -24\n.cfi_offset rsp, -16\n"
    };
}
#[cfg(target_arch = "x86")]
macro_rules! interrupt_frame {
    () => {
        ".cfi_startproc simple\n.cfi_signal_frame\n.cfi_def_cfa esp, 12\n\
         .cfi_offset eip, -12\n.cfi_offset eflags, -4\n"
    };
}

/// An instruction for SSE, where the processor has that.
macro_rules! sse {
    ($instruction:literal) => {
        concat!(
            ".if \\word == 4\n",
            "testb $2, {components}\\ip\n",
            "jz 80f\n",
            ".endif\n",
            $instruction,
            "\n80:\n"
        )
    };
}

x86_function! {
    "__paravirt_deliver", align: 16; // a call, which keeps what calls keep: handlers begin as in an upcall
    "    .cfi_startproc",
    "    sub $(48 - \\word), \\sp",               // room for the words below; the call wants 16-byte alignment
    "    .cfi_adjust_cfa_offset 48 - \\word",
    "    fnstenv (\\sp)",                         // control word and exception flags of x87, 28 bytes,
    sse!("stmxcsr 32(\\sp)"),                     // and of SSE
    "8:  movl $0, __paravirt_vcpu + {enabled}\\ip",
    "    fninit",                                 // the control words that handlers begin with
    sse!("ldmxcsr {mxcsr}\\ip"),
    "    call *{body}\\ip",                       // runs handlers; returns with the flag off
    "    movl $1, __paravirt_vcpu + {enabled}\\ip",
    "    cmpl $0, __paravirt_vcpu + {pending}\\ip", // did a line come while the flag was off?
    "    jne 8b",
    sse!("ldmxcsr 32(\\sp)"),
    "    fldenv (\\sp)",
    "    add $(48 - \\word), \\sp",
    "    .cfi_adjust_cfa_offset \\word - 48",
    "    ret",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    components = sym COMPONENTS,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
}

/// Takes an upcall that came in the window, which begins at 5 and ends at 7, for the outer one: drops its own frame.
#[cfg(target_arch = "x86_64")]
macro_rules! leave_window {
    () => {
        concat!(
            push!(rax rcx),              // two registers to look at the interrupted address with
            "movq 16(%rsp), %rax\n",     // interrupted rip
            "leaq 5f(%rip), %rcx\n",     // start of the window
            "subq %rcx, %rax\n",         // offset into the window, or huge
            "cmpq $(7f - 5f), %rax\n",   // inside it?
            pop!(rcx rax),               // (pop and push leave the flags alone)
            "jae 2f\n",
            "movq 24(%rsp), %rsp\n",     // yes: the interrupted rsp is the outer frame
        )
    };
}
#[cfg(target_arch = "x86")]
macro_rules! leave_window {
    () => {
        concat!(
            push!(eax),
            "movl 4(%esp), %eax\n",
            "subl $5f, %eax\n",
            "cmpl $(7f - 5f), %eax\n",
            pop!(eax),
            "jae 2f\n",
            "leal 12(%esp), %esp\n", // below it lies the outer one
        )
    };
}

/// Pushes every general register, and says where they are; and the reverse.
#[cfg(target_arch = "x86_64")]
macro_rules! push_all {
    () => {
        push!(rax rcx rdx rbx rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15)
    };
}
#[cfg(target_arch = "x86_64")]
macro_rules! pop_all {
    () => {
        pop!(r15 r14 r13 r12 r11 r10 r9 r8 rdi rsi rbp rbx rdx rcx rax)
    };
}
#[cfg(target_arch = "x86")]
macro_rules! push_all {
    () => {
        "pushal\n.cfi_adjust_cfa_offset 32\n.cfi_rel_offset eax, 28\n.cfi_rel_offset ecx, 24\n.cfi_rel_offset edx, 20\n\
         .cfi_rel_offset ebx, 16\n.cfi_rel_offset ebp, 8\n.cfi_rel_offset esi, 4\n.cfi_rel_offset edi, 0\n"
    };
}
#[cfg(target_arch = "x86")]
macro_rules! pop_all {
    () => {
        "popal\n.cfi_adjust_cfa_offset -32\n.cfi_restore eax\n.cfi_restore ecx\n.cfi_restore edx\n.cfi_restore ebx\n\
         .cfi_restore ebp\n.cfi_restore esi\n.cfi_restore edi\n"
    };
}

x86_function! {
    global "__paravirt_upcall", align: 16;
    interrupt_frame!(),
    leave_window!(),
    "2:",
    push_all!(),                                 // by value of the interrupted code
    "    cld",                                   // the ABI of what we call; iret restores it
    "    mov \\sp, \\bp",                        // survives the call, finds the registers again
    "    .cfi_def_cfa_register \\bp",
    save_state!(),
    "    call *{body}\\ip",                      // runs handlers; returns with the flag off
    restore_state!(),
    "    mov \\bp, \\sp",
    "    .cfi_def_cfa_register \\sp",
    pop_all!(),
    "    movl $1, __paravirt_vcpu + {enabled}\\ip", // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  cmpl $0, __paravirt_vcpu + {pending}\\ip", // did a line come while the flag was off?
    "    jne 6f",
    "    iret\\suffix",                          // no: back, with the interrupted flags
    "6:  movl $0, __paravirt_vcpu + {enabled}\\ip", // yes: flag off again and from the top, on the same frame
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
