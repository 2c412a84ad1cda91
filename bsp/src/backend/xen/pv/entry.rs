// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where Xen enters a PV domain: at its start, and for events.
//!
//! The notes are those of Xen's public headers, version 4.17: `xen/include/public/elfnote.h`. Virtual address and
//! pseudo-physical address are the same, so the image lies where it is linked, and a page's number is its address /
//! 4096.

use core::arch::global_asm;

use crate::upcall::{COMPONENTS, DEFAULT_MXCSR, interrupt_frame, restore_state, save_state};
use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING};

use super::irq;

global_asm!(
    ".macro paravirt_xen_note type, value:vararg",
    "    .balign 4",
    "    .long 4, 8881f - 8880f, \\type", // length of the owner with its NUL, of the descriptor, type
    "    .asciz \"Xen\"",
    "8880: \\value",
    "8881: .balign 4",
    ".endm",
    ".pushsection .note.Xen, \"a\", @note",
    "paravirt_xen_note 6, .asciz \"RTEMS paravirt\"", // XEN_ELFNOTE_GUEST_OS
    "paravirt_xen_note 8, .asciz \"generic\"",        // XEN_ELFNOTE_LOADER
    "paravirt_xen_note 5, .asciz \"xen-3.0\"",        // XEN_ELFNOTE_XEN_VERSION: the name of the PV interface
    "paravirt_xen_note 3, .quad 0",                   // XEN_ELFNOTE_VIRT_BASE
    "paravirt_xen_note 4, .quad 0",                   // XEN_ELFNOTE_PADDR_OFFSET: addresses in the ELF are final
    "paravirt_xen_note 1, .quad __paravirt_xen_pv_start", // XEN_ELFNOTE_ENTRY
    "paravirt_xen_note 17, .quad 1 << 11",            // XEN_ELFNOTE_SUPPORTED_FEATURES: XENFEAT_dom0
    ".popsection",
    ".purgem paravirt_xen_note",
    options(att_syntax),
);

asm_function! {
    "__paravirt_xen_pv_start", align: 1; // rsi = start_info, rsp = top of the stack that Xen made; events are masked
    "    .cfi_startproc",
    "    .cfi_undefined rip",              // nobody called it
    "    cld",                             // the ABI of what we call
    "    movq %rsi, %rdi",                 // first argument: start_info
    "    movq %rsp, %rsi",                 // second: memory from here on is free
    "    leaq __stack_end(%rip), %rsp",    // the image's own stack
    "    xorl %ebp, %ebp",                 // end of the chain of frames
    "    fninit",                          // control words as at a program's start
    "    ldmxcsr {mxcsr}(%rip)",
    "    call {enter}",                    // does not return
    "    ud2",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    enter = sym super::enter,
    options(att_syntax),
}

// Xen masks events, and pushes onto the interrupted stack what the processor would, then r11 and rcx. In the code
// selector it leaves the requested privilege at 0, for its own "kernel mode"; the processor really runs at 3.
x86_function! {
    "__paravirt_xen_event", align: 16;
    interrupt_frame!(),
    "    .cfi_adjust_cfa_offset 16",
    "    .cfi_rel_offset r11, 8",
    "    .cfi_rel_offset rcx, 0",
    pop!(rcx r11),                                      // now only the processor's frame is left
    "    orl $3, 8(%rsp)",                              // its selector as iretq takes it
    "    lock orl ${masked}, __paravirt_vcpu + {pending}(%rip)", // events stay masked until someone opens them
    "    cmpl $0, __paravirt_vcpu + {enabled}(%rip)",   // the virtual flag
    "    je 1f",
    "    movl $0, __paravirt_vcpu + {enabled}(%rip)",   // on: off, and enter the upcall, which takes the events as it
    "    jmp __paravirt_upcall",                        // opens the mask
    "1:",
    push!(rax rcx rdx rsi rdi r8 r9 r10 r11),           // off: every register that the call may change
    push!(rbp),
    "    movq %rsp, %rbp",                              // survives the call, finds the registers again
    "    .cfi_def_cfa_register rbp",
    "    cld",                                          // the ABI of what we call; iretq restores it
    save_state!(),                                      // with the state that Rust expects
    "    call {take}",                                  // marks lines pending
    restore_state!(),
    "    movq %rbp, %rsp",
    "    .cfi_def_cfa_register rsp",
    pop!(rbp r11 r10 r9 r8 rdi rsi rdx rcx rax),
    "    iretq",                                        // back, with events masked
    "    .cfi_endproc";
    masked = const HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    components = sym COMPONENTS,
    mxcsr = sym DEFAULT_MXCSR,
    take = sym irq::take_masked,
    options(att_syntax),
}
