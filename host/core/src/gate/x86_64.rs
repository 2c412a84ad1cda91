// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates between a guest and a host for x86-64 (System V ABI, AMD64 supplement, 3.2).

use core::arch::global_asm;
use core::mem::offset_of;

use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING, VcpuPage};

use super::state::{self, STATE};
use crate::guest::{dispatch, resolve};

/// SSE control word of host code (System V ABI, 3.2.1).
static DEFAULT_MXCSR: u32 = 0x1f80;

/// What a gate saves of the guest on the host's stack.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Frame {
    /// rdi, rsi, rdx, rcx, r8, r9.
    integers: [u64; 6],
    /// xmm0 to xmm7, low halves.
    floats: [u64; 8],
    /// The guest's stack pointer. It points to the return address; in the resolver's gate, to the thunk's two words below it.
    pub(crate) stack: usize,
    /// For rax; from the resolver: where to go on.
    pub(crate) result: u64,
    /// For xmm0.
    float_result: u64,
    /// The guest's flags.
    flags: u64,
    /// The guest's SSE control word.
    mxcsr: u32,
}

/// What the resolver's gate saves.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct ResolverFrame {
    /// As a gate's.
    pub(crate) frame: Frame,
    /// xmm0 to xmm7, whole.
    vectors: [[u64; 2]; 8],
    /// rax, r10.
    registers: [u64; 2],
}

const _: () = assert!(
    size_of::<Frame>().is_multiple_of(16) && size_of::<ResolverFrame>().is_multiple_of(16),
    "the stack stays aligned"
);

/// Turns the guest's alignment check off. Expects the stack pointer at a `Frame`.
macro_rules! alignment_check_off {
    () => {
        concat!(
            "pushfq\n",
            "popq {flags}(%rsp)\n", // the address is that after the pop
            "testl ${alignment_check}, {flags}(%rsp)\n", // is it on?
            "jz 7f\n",
            "pushfq\n",
            "andl $~{alignment_check}, (%rsp)\n",
            "popfq\n",
            "7:\n",
        )
    };
}

/// The reverse of `alignment_check_off`. The last before the stack is the guest's again: not all in a frame is aligned as the check
/// would have it.
macro_rules! alignment_check_back {
    () => {
        concat!(
            "testl ${alignment_check}, {flags}(%rsp)\n", // was it on?
            "jz 8f\n",
            "pushfq\n",
            "orl ${alignment_check}, (%rsp)\n",
            "popfq\n",
            "8:\n",
        )
    };
}

global_asm!(
    ".pushsection .text.pvh_gates, \"ax\", @progbits",
    ".balign 64",
    ".globl pvh_gates_enter",
    ".type pvh_gates_enter, @function",
    "pvh_gates_enter:",                        // rdi: entry point, rsi: start info, rdx: the word that asks for the end
    "pushq %rbp",                              // what the ABI preserves
    "pushq %rbx",
    "pushq %r12",
    "pushq %r13",
    "pushq %r14",
    "pushq %r15",
    "subq $8, %rsp",                           // aligned to 16 bytes
    "fnstcw (%rsp)",                           // the host's control words
    "stmxcsr 4(%rsp)",
    "fninit",                                  // the guest's
    "ldmxcsr {default_mxcsr}(%rip)",
    "movq %rsp, {state}+{host_stack}(%rip)",   // gates start here
    ".globl pvh_gates_start",
    "pvh_gates_start:",                        // from here on, leaving means pvh_gates_leave
    "cmpq $0, (%rdx)",                         // to end before it began?
    "jne pvh_gates_leave",
    "movq %rdi, %rcx",                         // entry point
    "movq %rsi, %rdx",                         // the registers that carry something
    "movl ${magic}, %eax",
    "xorl %ebx, %ebx",                         // and those that do not
    "xorl %ebp, %ebp",
    "xorl %esi, %esi",
    "xorl %edi, %edi",
    "xorl %r8d, %r8d",
    "xorl %r9d, %r9d",
    "xorl %r10d, %r10d",
    "xorl %r11d, %r11d",
    "xorl %r12d, %r12d",
    "xorl %r13d, %r13d",
    "xorl %r14d, %r14d",
    "xorl %r15d, %r15d",
    "jmpq *%rcx",                              // the stack is ours until the guest has one: an event may need it
    ".size pvh_gates_enter, . - pvh_gates_enter",

    // A function's stub has put its index into r11.
    ".balign 64",
    ".globl pvh_gates_call",
    ".type pvh_gates_call, @function",
    "pvh_gates_call:",
    "cld",                                     // the ABI of what we call
    "movq %rsp, %r10",                         // the guest's stack; points to the return address
    "movq {state}+{host_stack}(%rip), %rsp",   // ours
    "subq ${size}, %rsp",
    "movq %rdi, {integers}(%rsp)",             // arguments in registers
    "movq %rsi, {integers}+8(%rsp)",
    "movq %rdx, {integers}+16(%rsp)",
    "movq %rcx, {integers}+24(%rsp)",
    "movq %r8, {integers}+32(%rsp)",
    "movq %r9, {integers}+40(%rsp)",
    "movq %xmm0, {floats}(%rsp)",
    "movq %xmm1, {floats}+8(%rsp)",
    "movq %xmm2, {floats}+16(%rsp)",
    "movq %xmm3, {floats}+24(%rsp)",
    "movq %xmm4, {floats}+32(%rsp)",
    "movq %xmm5, {floats}+40(%rsp)",
    "movq %xmm6, {floats}+48(%rsp)",
    "movq %xmm7, {floats}+56(%rsp)",
    "movq %r10, {stack}(%rsp)",
    alignment_check_off!(),
    "stmxcsr {mxcsr}(%rsp)",                   // the guest's SSE control word
    "ldmxcsr {default_mxcsr}(%rip)",           // ours
    "movl %r11d, %edi",
    "movq %rsp, %rsi",
    "callq {dispatch}",
    "cmpq $0, (%rax)",                         // is the guest to end?
    "jne pvh_gates_leave",
    "ldmxcsr {mxcsr}(%rsp)",
    "movq {result}(%rsp), %rax",
    "movq {float_result}(%rsp), %xmm0",
    "movq {state}+{page}(%rip), %rcx",         // what the tail needs to deliver a line
    alignment_check_back!(),
    "movq {stack}(%rsp), %rsp",
    "jmpq *{state}+{tail}(%rip)",
    ".size pvh_gates_call, . - pvh_gates_call",

    // A slot's first call in lazy mode: the thunk has pushed the address of the slot and that of the symbol table entry. Every
    // register of the guest but r11 is kept. No line is delivered here: the stub leads to a gate, whose tail does it.
    ".balign 64",
    ".globl pvh_gates_resolve",
    ".type pvh_gates_resolve, @function",
    "pvh_gates_resolve:",
    "cld",
    "movq %rsp, %r11",                         // the guest's stack
    "movq {state}+{host_stack}(%rip), %rsp",   // ours
    "subq ${resolver_size}, %rsp",
    "movq %rdi, {integers}(%rsp)",             // arguments in registers
    "movq %rsi, {integers}+8(%rsp)",
    "movq %rdx, {integers}+16(%rsp)",
    "movq %rcx, {integers}+24(%rsp)",
    "movq %r8, {integers}+32(%rsp)",
    "movq %r9, {integers}+40(%rsp)",
    "movq %rax, {registers}(%rsp)",            // number of vector registers of a variadic call
    "movq %r10, {registers}+8(%rsp)",          // static chain
    "movaps %xmm0, {vectors}(%rsp)",
    "movaps %xmm1, {vectors}+16(%rsp)",
    "movaps %xmm2, {vectors}+32(%rsp)",
    "movaps %xmm3, {vectors}+48(%rsp)",
    "movaps %xmm4, {vectors}+64(%rsp)",
    "movaps %xmm5, {vectors}+80(%rsp)",
    "movaps %xmm6, {vectors}+96(%rsp)",
    "movaps %xmm7, {vectors}+112(%rsp)",
    "movq %r11, {stack}(%rsp)",
    alignment_check_off!(),
    "stmxcsr {mxcsr}(%rsp)",
    "ldmxcsr {default_mxcsr}(%rip)",
    "movq %rsp, %rdi",
    "callq {resolve}",
    "cmpq $0, (%rax)",                         // is the guest to end?
    "jne pvh_gates_leave",
    "ldmxcsr {mxcsr}(%rsp)",
    "movaps {vectors}(%rsp), %xmm0",
    "movaps {vectors}+16(%rsp), %xmm1",
    "movaps {vectors}+32(%rsp), %xmm2",
    "movaps {vectors}+48(%rsp), %xmm3",
    "movaps {vectors}+64(%rsp), %xmm4",
    "movaps {vectors}+80(%rsp), %xmm5",
    "movaps {vectors}+96(%rsp), %xmm6",
    "movaps {vectors}+112(%rsp), %xmm7",
    "movq {integers}(%rsp), %rdi",
    "movq {integers}+8(%rsp), %rsi",
    "movq {integers}+16(%rsp), %rdx",
    "movq {integers}+24(%rsp), %rcx",
    "movq {integers}+32(%rsp), %r8",
    "movq {integers}+40(%rsp), %r9",
    "movq {registers}(%rsp), %rax",
    "movq {registers}+8(%rsp), %r10",
    "movq {result}(%rsp), %r11",               // the function's stub
    alignment_check_back!(),
    "movq {stack}(%rsp), %rsp",
    "leaq 16(%rsp), %rsp",                     // without the thunk's two words
    "jmpq *%r11",
    ".size pvh_gates_resolve, . - pvh_gates_resolve",
    ".globl pvh_gates_end",
    "pvh_gates_end:",

    // Not a function: it returns from pvh_gates_enter, from wherever the guest was.
    ".globl pvh_gates_leave",
    ".type pvh_gates_leave, @function",
    "pvh_gates_leave:",
    "movq {state}+{host_stack}(%rip), %rsp",   // the stack as pvh_gates_enter left it
    "pushq ${no_flags}",                       // none of the guest's
    "popfq",
    "fninit",
    "fldcw (%rsp)",                            // the host's control words
    "ldmxcsr 4(%rsp)",
    "addq $8, %rsp",
    "popq %r15",
    "popq %r14",
    "popq %r13",
    "popq %r12",
    "popq %rbx",
    "popq %rbp",
    "retq",
    ".size pvh_gates_leave, . - pvh_gates_leave",
    ".globl pvh_gates_left",
    "pvh_gates_left:",

    // Calls a host function with the guest's arguments. rdi: the function, rsi: the frame, rdx: words of arguments on the stack.
    ".globl pvh_gates_function",
    ".type pvh_gates_function, @function",
    "pvh_gates_function:",
    "pushq %rbp",
    "movq %rsp, %rbp",
    "pushq %rbx",
    "movq %rdi, %r11",
    "movq %rsi, %rbx",
    "leaq 8(,%rdx,8), %rax",                   // room for the words, and as much as aligns
    "subq %rax, %rsp",
    "andq $-16, %rsp",
    "movq {stack}(%rbx), %rsi",
    "addq $8, %rsi",                           // they begin behind the return address
    "movq %rsp, %rdi",
    "movq %rdx, %rcx",
    "rep movsq",
    "movq {integers}(%rbx), %rdi",
    "movq {integers}+8(%rbx), %rsi",
    "movq {integers}+16(%rbx), %rdx",
    "movq {integers}+24(%rbx), %rcx",
    "movq {integers}+32(%rbx), %r8",
    "movq {integers}+40(%rbx), %r9",
    "movq {floats}(%rbx), %xmm0",
    "movq {floats}+8(%rbx), %xmm1",
    "movq {floats}+16(%rbx), %xmm2",
    "movq {floats}+24(%rbx), %xmm3",
    "movq {floats}+32(%rbx), %xmm4",
    "movq {floats}+40(%rbx), %xmm5",
    "movq {floats}+48(%rbx), %xmm6",
    "movq {floats}+56(%rbx), %xmm7",
    "callq *%r11",
    "movq %rax, {result}(%rbx)",
    "movq %xmm0, {float_result}(%rbx)",
    "leaq -8(%rbp), %rsp",
    "popq %rbx",
    "popq %rbp",
    "retq",
    ".size pvh_gates_function, . - pvh_gates_function",
    ".popsection",

    // The tail, which is copied into the guest's memory: it knows no address. rsp: the return address; rcx: the vCPU page.
    // Whatever it changes beside the results, the caller expects changed.
    ".pushsection .rodata.pvh_tail, \"a\", @progbits",
    ".globl pvh_tail_start, pvh_tail_end",
    "pvh_tail_start:",
    "6: testl ${lines}, {pending}(%rcx)",      // did a line become pending during the call?
    "jne 4f",
    "3: retq",
    "4: cmpl $0, {enabled}(%rcx)",             // yes: are interrupts on?
    "je 3b",
    "movq %rsp, %rdi",                         // build the frame that an interrupt here would push
    "andq $-16, %rsp",
    "movl %ss, %esi",
    "pushq %rsi",
    "pushq %rdi",                              // rsp
    "pushfq",
    "movl %cs, %esi",
    "pushq %rsi",
    "callq 5f",                                // rip: the next instruction
    "jmp 6b",                                  // the upcall restored every register: look again
    "5: movl $0, {enabled}(%rcx)",             // as when a handler delivers
    "jmpq *{upcall}(%rcx)",
    "pvh_tail_end:",
    ".popsection",
    state = sym STATE,
    dispatch = sym dispatch,
    resolve = sym resolve,
    default_mxcsr = sym DEFAULT_MXCSR,
    host_stack = const state::HOST_STACK,
    page = const state::PAGE,
    tail = const state::TAIL,
    alignment_check = const super::ALIGNMENT_CHECK,
    no_flags = const super::NO_FLAGS,
    magic = const paravirt_abi::start::MAGIC,
    size = const size_of::<Frame>(),
    resolver_size = const size_of::<ResolverFrame>(),
    integers = const offset_of!(Frame, integers),
    floats = const offset_of!(Frame, floats),
    stack = const offset_of!(Frame, stack),
    result = const offset_of!(Frame, result),
    float_result = const offset_of!(Frame, float_result),
    flags = const offset_of!(Frame, flags),
    mxcsr = const offset_of!(Frame, mxcsr),
    vectors = const offset_of!(ResolverFrame, vectors),
    registers = const offset_of!(ResolverFrame, registers),
    lines = const !HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    upcall = const offset_of!(VcpuPage, upcall_entry),
    options(att_syntax),
);

/// `mov $index, %r11d; jmp *word(%rip)`, for code at the address `at`.
pub(super) fn stub(at: usize, index: u32, word: usize) -> [u8; super::STUB] {
    let mut stub = [super::INT3; super::STUB];
    stub[..2].copy_from_slice(&[0x41, 0xbb]);
    stub[2..6].copy_from_slice(&index.to_le_bytes());
    stub[6..8].copy_from_slice(&[0xff, 0x25]);
    // Both lie in one piece of code: the distance is small.
    let distance = word.wrapping_sub(at + 12) as u32;
    stub[8..12].copy_from_slice(&distance.to_le_bytes());
    stub
}

/// `jmp *word(%rip)`, for code at the address `at`; changes no register.
pub(super) fn jump(at: usize, word: usize) -> [u8; super::STUB] {
    let mut stub = [super::INT3; super::STUB];
    stub[..2].copy_from_slice(&[0xff, 0x25]);
    let distance = word.wrapping_sub(at + 6) as u32;
    stub[2..6].copy_from_slice(&distance.to_le_bytes());
    stub
}
