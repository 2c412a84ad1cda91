// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gates: the only way from the guest to the host and back.
//!
//! A slot leads to a stub of its own in low memory (see [`low`]), which names the function by its index and jumps to the gate
//! of its architecture. The gate leaves the guest's stack, saves what the C ABI does not preserve, loads the host's thread
//! pointer and control words, turns the guest's alignment check off, and calls [`dispatch`](super::dispatch). On the way back it
//! jumps to a tail in low memory. The tail is guest code: what becomes pending before it, the tail finds; what comes from its
//! first instruction on interrupts it like any guest code. So no line is lost, and no flag has to say where the processor is:
//! its instruction pointer does.

mod enter;
mod frame;
mod i386;
pub(super) mod low;
mod resolver;
mod x86_64;

pub(super) use enter::{enter, leave_address, may_leave_at};
pub(super) use frame::Frame;
pub(super) use resolver::ResolverFrame;

/// SSE control word of host code (System V ABI, 3.2.1).
static DEFAULT_MXCSR: u32 = 0x1f80;

/// Alignment check, a flag that user mode may set: then every access of host code would have to be aligned.
const ALIGNMENT_CHECK: u32 = 1 << 18;
/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
pub(super) const NO_FLAGS: u32 = 1 << 1;

/// From the guest's control words, alignment check and fs base to the host's. Expects the stack pointer at a `Frame`; changes rax, rcx,
/// rdi, rsi, r11.
macro_rules! to_host {
    () => {
        concat!(
            "pushfq\n",
            "popq {flags}(%rsp)\n", // the address is that after the pop
            "testl ${alignment_check}, {flags}(%rsp)\n", // does the guest check alignment?
            "jnz 24f\n",
            "25: stmxcsr {mxcsr}(%rsp)\n", // the guest's SSE control word
            "movl {mxcsr}(%rsp), %eax\n",
            "andl $0xffc0, %eax\n", // without the status flags
            "movl $0, {mxcsr_changed}(%rsp)\n",
            "cmpl {default_mxcsr}(%rip), %eax\n", // is it the default?
            "jne 21f\n",
            "20: testl $1, {state}+{fsgsbase}(%rip)\n", // may user mode change fs base?
            "jz 22f\n",
            "rdfsbase %rax\n", // the guest's fs base
            "movq %rax, {fs}(%rsp)\n",
            "movq {state}+{host_fs}(%rip), %rax\n", // the host's
            "wrfsbase %rax\n",
            ".pushsection pv_gates_rare, \"ax\", @progbits\n",
            "24: pushfq\n", // we do not
            "andl $~{alignment_check}, (%rsp)\n",
            "popfq\n",
            "jmp 25b\n",
            "21: movl $1, {mxcsr_changed}(%rsp)\n", // another control word: load ours
            "ldmxcsr {default_mxcsr}(%rip)\n",
            "jmp 20b\n",
            "22: movl $158, %eax\n", // arch_prctl
            "movl $0x1003, %edi\n",  // ARCH_GET_FS
            "leaq {fs}(%rsp), %rsi\n",
            "syscall\n",
            "movl $158, %eax\n",
            "movl $0x1002, %edi\n", // ARCH_SET_FS
            "movq {state}+{host_fs}(%rip), %rsi\n",
            "syscall\n",
            "jmp 23f\n",
            ".popsection\n",
            "23:\n",
        )
    };
}

/// The reverse of `to_host`.
macro_rules! to_guest {
    () => {
        concat!(
            "testl ${alignment_check}, {flags}(%rsp)\n", // did the guest check alignment?
            "jnz 34f\n",
            "35: cmpl $0, {mxcsr_changed}(%rsp)\n", // had the guest a control word of its own?
            "jne 31f\n",
            "30: testl $1, {state}+{fsgsbase}(%rip)\n", // may user mode change fs base?
            "jz 32f\n",
            "movq {fs}(%rsp), %rax\n", // the guest's fs base
            "wrfsbase %rax\n",
            ".pushsection pv_gates_rare, \"ax\", @progbits\n",
            "34: pushfq\n",
            "orl ${alignment_check}, (%rsp)\n",
            "popfq\n",
            "jmp 35b\n",
            "31: ldmxcsr {mxcsr}(%rsp)\n",
            "jmp 30b\n",
            "32: movl $158, %eax\n", // arch_prctl
            "movl $0x1002, %edi\n",  // ARCH_SET_FS
            "movq {fs}(%rsp), %rsi\n",
            "syscall\n",
            "jmp 33f\n",
            ".popsection\n",
            "33:\n",
        )
    };
}

/// After a host function: leave the guest if that is asked for, single-step it if that is. Opens the window in which a
/// single step is on its way back to the guest.
macro_rules! act {
    () => {
        concat!(
            "cmpl $0, {state}+{action}(%rip)\n",     // anything out of the ordinary?
            "jne 41f\n",
            ".pushsection pv_gates_rare, \"ax\", @progbits\n",
            "41: testl ${stop}, {state}+{action}(%rip)\n", // leave the guest?
            "jnz pv_leave\n",
            "movl $1, {state}+{returning}(%rip)\n",  // no: single-step it, from its first instruction on
            "pushfq\n",
            "orl $0x100, (%rsp)\n",                  // trap flag
            "popfq\n",
            "jmp 40f\n",
            ".popsection\n",
            "40:\n",
        )
    };
}

pub(super) use {act, to_guest, to_host};
