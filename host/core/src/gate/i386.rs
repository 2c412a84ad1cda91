// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates of a host for i386 (System V ABI, i386 supplement, 3-12), for its own guests.

use core::arch::global_asm;
use core::mem::offset_of;

use paravirt_abi::signature::Width;
use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING, VcpuPage};

use super::Gates;
use super::state::{self, STATE};
pub(super) use super::x86::stub;
use super::x86::{self, DEFAULT_MXCSR, tail_32};
use crate::image::{Machine, pointer_size};

/// The machine of guests of the host's own width.
pub(crate) const MACHINE: Machine = Machine::I386;

/// What a gate saves of the guest on the host's stack.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Frame {
    /// Room for the arguments of what the gate calls.
    arguments: [u32; 2],
    /// The guest's stack pointer. It points to the return address; in the resolver's gate, to the thunk's two words
    /// below it.
    pub stack: usize,
    /// Not 0: the result is in `float_result`.
    pub(super) returns_float: u32,
    /// For edx:eax; from the resolver: where to go on.
    pub result: u64,
    /// For st0, in the unit's own format.
    float_result: [u8; 10],
    /// The guest's control word of the x87 unit.
    control: u16,
    /// The guest's flags.
    flags: u32,
    /// In the resolver's gate: eax, ecx, edx.
    registers: [u32; 3],
    /// The guest's control word of SSE.
    mxcsr: u32,
    /// What the guest had raised in the x87 unit.
    status: u16,
    /// Room for that unit's environment.
    environment: [u32; 7],
}

impl Frame {
    /// The guest's stack pointer.
    pub(crate) const fn stack_pointer(&self) -> u64 {
        self.stack as u64
    }

    /// Where the call returns to: on x86 that is on the stack.
    pub(crate) const fn link(&self) -> Option<u64> {
        None
    }

    /// Bytes of the return address that lies on the stack before the arguments, of a guest of that width.
    #[must_use]
    pub const fn return_address_size(width: Width) -> u64 {
        pointer_size(width)
    }
}

/// What the resolver's gate saves.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct ResolverFrame {
    /// As a gate's.
    pub(crate) frame: Frame,
}

const _: () = assert!(
    size_of::<Frame>() == size_of::<ResolverFrame>() && size_of::<Frame>().is_multiple_of(16),
    "the stack stays aligned"
);

/// Turns the guest's alignment check off. Expects the stack pointer at a `Frame`.
macro_rules! alignment_check_off {
    () => {
        concat!(
            "pushfl\n",
            "popl {flags}(%esp)\n",                      // the address is that after the pop
            "testl ${alignment_check}, {flags}(%esp)\n", // is it on?
            "jz 7f\n",
            "pushfl\n",
            "andl $~{alignment_check}, (%esp)\n",
            "popfl\n",
            "7:\n",
        )
    };
}

/// The reverse of `alignment_check_off`. The last before the stack is the guest's again: not all in a frame is aligned
/// as the check would have it.
macro_rules! alignment_check_back {
    () => {
        concat!(
            "testl ${alignment_check}, {flags}(%esp)\n", // was it on?
            "jz 8f\n",
            "pushfl\n",
            "orl ${alignment_check}, (%esp)\n",
            "popfl\n",
            "8:\n",
        )
    };
}

/// From the guest's floating-point units to those of host code: with the control words of the C ABI, without an
/// exception that waits, with an empty stack. Expects the stack pointer at a `Frame`.
macro_rules! units_of_host {
    () => {
        concat!(
            "fnstcw {control}(%esp)\n",
            "fnstsw {status}(%esp)\n",
            "stmxcsr {mxcsr}(%esp)\n",
            "fninit\n",
            "ldmxcsr {default_mxcsr}\n",
        )
    };
}

/// The reverse: the guest's control words, and what it had raised in the x87 unit; but not what waited to be reported,
/// and nothing of the host's, which the guest may not have masked. What is on that unit's stack stays. Expects the
/// stack pointer at a `Frame`; changes ecx.
macro_rules! units_of_guest {
    () => {
        concat!(
            "movzwl {control}(%esp), %ecx\n",
            "andw {status}(%esp), %cx\n", // its lowest bits mask what the status word has there
            "fnclex\n",
            "andl ${x87_flags}, %ecx\n",
            "jz 8f\n",
            "fnstenv {environment}(%esp)\n",
            "orw %cx, {environment}+4(%esp)\n", // the status word (Intel SDM volume 1, 8.1.10)
            "fldenv {environment}(%esp)\n",
            "8: fldcw {control}(%esp)\n",
            "ldmxcsr {mxcsr}(%esp)\n",
        )
    };
}

global_asm!(
    ".pushsection .text.pvh_gates, \"ax\", @progbits",
    ".balign 64",
    ".globl pvh_gates_enter",
    ".type pvh_gates_enter, @function",
    "pvh_gates_enter:",                        // arguments: entry point, start info, the word that asks for the end,
    "pushl %ebp",                              // what the ABI preserves
    "pushl %ebx",
    "pushl %esi",
    "pushl %edi",
    "movl 20(%esp), %ecx",                     // entry point
    "movl 24(%esp), %edx",                     // start info
    "movl 28(%esp), %eax",
    "subl $12, %esp",                          // aligned to 16 bytes
    "fnstcw (%esp)",                           // the host's control words
    "stmxcsr 4(%esp)",
    "fninit",                                  // the guest's
    "ldmxcsr {default_mxcsr}",
    "movl %esp, {state}+{host_stack}",         // gates start here
    ".globl pvh_gates_start",
    "pvh_gates_start:",                        // from here on, leaving means pvh_gates_leave
    "cmpl $0, 4(%eax)",                        // to end before it began?
    "jne pvh_gates_leave",
    "andl 44(%esp), %esp",                     // .. a mask: ours until the guest has one, if an event needs it; else 0
    "movl ${magic}, %eax",
    "xorl %ebx, %ebx",                         // the registers that carry nothing
    "xorl %ebp, %ebp",
    "xorl %esi, %esi",
    "xorl %edi, %edi",
    "jmpl *%ecx",
    ".size pvh_gates_enter, . - pvh_gates_enter",

    // A function's stub has put its index into eax.
    ".balign 64",
    ".globl pvh_gates_call",
    ".type pvh_gates_call, @function",
    "pvh_gates_call:",
    "cld",                                     // the ABI of what we call
    "movl %esp, %ecx",                         // the guest's stack; points to the return address
    "movl {state}+{host_stack}, %esp",         // ours
    "subl ${size}, %esp",
    "movl %ecx, {stack}(%esp)",
    alignment_check_off!(),
    units_of_host!(),
    "movl %eax, (%esp)",                       // first argument: the index
    "movl %esp, 4(%esp)",                      // second: the frame
    "calll *{state}+{host_call}",
    "cmpl $0, 4(%eax)",                        // is the guest to end? (the upper half is then not 0)
    "jne pvh_gates_leave",
    "cmpl $0, {returns_float}(%esp)",
    "je 2f",
    "fnclex",                                  // what host code has unmasked
    "fldt {float_result}(%esp)",
    "2:",
    units_of_guest!(),
    "movl {result}(%esp), %eax",               // 64-bit results are in edx:eax
    "movl {result}+4(%esp), %edx",
    "movl {state}+{page}, %ecx",               // what the tail needs to deliver a line
    alignment_check_back!(),
    "movl {stack}(%esp), %esp",
    "jmpl *{state}+{tail}",
    ".size pvh_gates_call, . - pvh_gates_call",

    // A slot's first call in lazy mode: the thunk has pushed the address of the slot and that of the symbol table
    // entry. Every register of the guest is kept, since a caller may pass arguments in eax, ecx and edx. No line is
    // delivered here: the stub leads to a gate, whose tail does it.
    ".balign 64",
    ".globl pvh_gates_resolve",
    ".type pvh_gates_resolve, @function",
    "pvh_gates_resolve:",
    "cld",
    "movl %esp, {state}+{target}",             // the guest's stack
    "movl {state}+{host_stack}, %esp",         // ours
    "subl ${size}, %esp",
    "movl %eax, {registers}(%esp)",
    "movl %ecx, {registers}+4(%esp)",
    "movl %edx, {registers}+8(%esp)",
    "movl {state}+{target}, %eax",
    "movl %eax, {stack}(%esp)",
    alignment_check_off!(),
    units_of_host!(),
    "movl %esp, (%esp)",                       // the argument: the frame
    "calll *{state}+{resolve}",
    "cmpl $0, 4(%eax)",                        // is the guest to end? (the upper half is then not 0)
    "jne pvh_gates_leave",
    units_of_guest!(),
    "movl {result}(%esp), %eax",               // the function's stub
    "movl %eax, {state}+{target}",
    "movl {registers}(%esp), %eax",
    "movl {registers}+4(%esp), %ecx",
    "movl {registers}+8(%esp), %edx",
    alignment_check_back!(),
    "movl {stack}(%esp), %esp",
    "leal 8(%esp), %esp",                      // without the thunk's two words
    "jmpl *{state}+{target}",
    ".size pvh_gates_resolve, . - pvh_gates_resolve",
    ".globl pvh_gates_end",
    "pvh_gates_end:",

    // Not a function: it returns from pvh_gates_enter, from wherever the guest was.
    ".globl pvh_gates_leave",
    ".type pvh_gates_leave, @function",
    "pvh_gates_leave:",
    "movl %ss, %eax",                          // the segments, which the guest may have changed
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl {state}+{host_stack}, %esp",         // the stack as pvh_gates_enter left it
    "movl $0, {state}+{host_stack}",           // from here on, there is nothing to leave
    "pushl ${no_flags}",                       // none of the guest's
    "popfl",
    "fninit",
    "fldcw (%esp)",                            // the host's control words
    "ldmxcsr 4(%esp)",
    "addl $12, %esp",
    "popl %edi",
    "popl %esi",
    "popl %ebx",
    "popl %ebp",
    "retl",
    ".size pvh_gates_leave, . - pvh_gates_leave",

    // Calls a host function with the guest's arguments. Its own: the function, the frame, words of the guest's
    // arguments.
    ".globl pvh_gates_function",
    ".type pvh_gates_function, @function",
    "pvh_gates_function:",
    "pushl %ebp",
    "movl %esp, %ebp",
    "pushl %esi",
    "pushl %edi",
    "movl 16(%ebp), %ecx",                     // words
    "leal 0(,%ecx,4), %eax",                   // room for them, and as much as aligns
    "subl %eax, %esp",
    "andl $-16, %esp",
    "movl 12(%ebp), %eax",                     // the frame
    "movl {stack}(%eax), %esi",
    "addl $4, %esi",                           // the arguments begin behind the return address
    "movl %esp, %edi",
    "rep movsl",
    "calll *8(%ebp)",
    "movl 12(%ebp), %ecx",
    "movl %eax, {result}(%ecx)",
    "movl %edx, {result}+4(%ecx)",
    "cmpl $0, {returns_float}(%ecx)",
    "je 2f",
    "fstpt {float_result}(%ecx)",
    "2: leal -8(%ebp), %esp",
    "popl %edi",
    "popl %esi",
    "popl %ebp",
    "retl",
    ".size pvh_gates_function, . - pvh_gates_function",
    ".popsection",

    // The template, which is copied into the guest's memory.
    ".pushsection .rodata.pvh_templates, \"a\", @progbits",
    ".globl pvh_template_32, pvh_tail_32, pvh_tail_32_upcalls, pvh_tail_32_end",
    ".balign 16",
    "pvh_template_32:",
    ".quad 0, 0, 0, 0",                        // the gates
    tail_32!(),
    ".popsection",
    state = sym STATE,
    host_call = const state::HOST_CALL,
    resolve = const state::RESOLVE,
    host_stack = const state::HOST_STACK,
    page = const state::PAGE,
    tail = const state::TAIL,
    target = const state::TARGET,
    alignment_check = const x86::ALIGNMENT_CHECK,
    no_flags = const x86::NO_FLAGS,
    magic = const paravirt_abi::start::MAGIC,
    size = const size_of::<Frame>(),
    stack = const offset_of!(Frame, stack),
    returns_float = const offset_of!(Frame, returns_float),
    result = const offset_of!(Frame, result),
    float_result = const offset_of!(Frame, float_result),
    control = const offset_of!(Frame, control),
    status = const offset_of!(Frame, status),
    environment = const offset_of!(Frame, environment),
    x87_flags = const x86::X87_FLAGS,
    mxcsr = const offset_of!(Frame, mxcsr),
    default_mxcsr = sym DEFAULT_MXCSR,
    flags = const offset_of!(Frame, flags),
    registers = const offset_of!(Frame, registers),
    lines = const !HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    upcall = const offset_of!(VcpuPage, upcall_entry),
    options(att_syntax),
);

unsafe extern "C" {
    fn pvh_gates_call();
    fn pvh_gates_resolve();
    static pvh_template_32: u8;
    static pvh_tail_32: u8;
    static pvh_tail_32_upcalls: u8;
    static pvh_tail_32_end: u8;
}

/// The gates for guests of that width, which is the host's: one for integers and floats.
pub(super) fn gates(_: Width) -> Gates {
    let first = &raw const pvh_template_32;
    let call = pvh_gates_call as *const () as usize;
    Gates {
        words: [call, call, pvh_gates_resolve as *const () as usize],
        template: [first, &raw const pvh_tail_32_end],
        tail: &raw const pvh_tail_32,
        counter: Some(&raw const pvh_tail_32_upcalls),
        ways: [0, 8, 16].map(|offset| first.wrapping_add(offset)),
    }
}
