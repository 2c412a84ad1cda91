// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates of a host for AArch64 (AAPCS64), for its own guests.
//!
//! Of control words there is `fpcr`, and the stack pointer has to be aligned where it is used only. A call returns to
//! `x30`, and has its arguments where the stack pointer points to.

use core::arch::global_asm;
use core::mem::offset_of;

use paravirt_abi::aarch64::{FPSIMD_MAGIC, UpcallFrame};
use paravirt_abi::signature::Width;
use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING, VcpuPage};

use super::left::{LEFT, Left};
use super::state::{self, STATE};
use super::{Gates, STUB, each, end, function, leave_address};
use crate::image::Machine;
use crate::upcall::Interrupted;

/// The machine of guests of the host's own width.
pub(crate) const MACHINE: Machine = Machine::Aarch64;

/// What a gate saves of the guest on the host's stack.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Frame {
    /// x0 to x7.
    pub integers: [u64; 8],
    /// If the function has floats: v0 to v7, low halves.
    pub floats: [u64; 8],
    /// The guest's stack pointer. In the resolver's gate it points to the thunk's two words.
    pub stack: u64,
    /// For x0; from the resolver: where to go on.
    pub result: u64,
    /// For v0.
    pub float_result: u64,
    /// Where the call returns to.
    link: u64,
    /// The guest's `fpcr`.
    control: u64,
}

impl Frame {
    /// The guest's stack pointer.
    pub(crate) const fn stack_pointer(&self) -> u64 {
        self.stack
    }

    /// Where the call returns to.
    pub(crate) const fn link(&self) -> Option<u64> {
        Some(self.link)
    }

    /// Bytes of the return address that lies on the stack before the arguments: there is none.
    #[must_use]
    pub const fn return_address_size(_: Width) -> u64 {
        0
    }
}

/// What the resolver's gate saves.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct ResolverFrame {
    /// As a gate's.
    pub(crate) frame: Frame,
    /// v0 to v7, whole.
    vectors: [u128; 8],
    /// x8.
    indirect: u64,
}

const _: () = assert!(
    size_of::<Frame>().is_multiple_of(16) && size_of::<ResolverFrame>().is_multiple_of(16),
    "the stack stays aligned"
);

unsafe extern "C" {
    fn pvh_gates_call();
    fn pvh_gates_call_floats();
    fn pvh_gates_resolve();
    static pvh_template: u8;
    static pvh_tail: u8;
    static pvh_tail_end: u8;
}

/// The gates for guests of that width, of which there is one.
pub(super) fn gates(_: Width) -> Gates {
    let first = &raw const pvh_template;
    let gates: [unsafe extern "C" fn(); 3] = [pvh_gates_call, pvh_gates_call_floats, pvh_gates_resolve];
    Gates {
        words: gates.map(|gate| gate as *const () as usize),
        template: [first, &raw const pvh_tail_end],
        tail: &raw const pvh_tail,
        counter: None,
        ways: [0, 8, 16].map(|offset| first.wrapping_add(offset)),
    }
}

/// Size of a page for `adrp`.
const PAGE: u64 = 4096;
/// `brk #0`, where no code is.
const BRK: u32 = 0xd420_0000;

/// The stub at the address `at`: `mov w17, #index`, unless it is the resolver's, which needs none; then a jump by way
/// of x16 through the word at `way`. (Arm ARM, C6.2: MOVZ, ADRP, LDR (immediate), BR.) The index has 16 bits, since an
/// image has no more functions.
pub(super) fn stub(_: Width, at: u64, index: Option<u32>, way: u64) -> [u8; STUB] {
    let load = index.map(|index| 0x5280_0011 | (index & 0xffff) << 5);
    let adrp_at = at + if load.is_some() { 4 } else { 0 };
    let pages = ((way / PAGE).wrapping_sub(adrp_at / PAGE)) as u32;
    let jump = [
        0x9000_0010 | (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5,
        0xf940_0210 | ((way % PAGE / 8) as u32) << 10,
        0xd61f_0200,
    ];
    let code = load.into_iter().chain(jump).chain([BRK]);
    let mut stub = [0; STUB];
    for (bytes, instruction) in stub.chunks_exact_mut(4).zip(code) {
        bytes.copy_from_slice(&instruction.to_le_bytes());
    }
    stub
}

impl Interrupted {
    /// Returns whether it is code of that width: there is no other.
    pub(crate) const fn is_of(&self, _: Width, _: Option<u16>) -> bool {
        true
    }

    /// Has the handler continue where the guest is left.
    pub(crate) fn leave(&mut self) {
        self.instruction = leave_address();
        self.flags = 0;
    }
}

/// Puts the address of the shared words into x16.
macro_rules! state {
    () => {
        "adrp x16, {state}
        add x16, x16, #:lo12:{state}"
    };
}

/// From the guest's stack to the host's, with its arguments and its control word in a frame of that size there. Changes
/// x9, x10 and x16.
macro_rules! to_host {
    ($size:literal) => {
        concat!(
            state!(),
            "
            mov x9, sp                              // the guest's stack
            ldr x10, [x16, #{host_stack}]           // ours
            sub sp, x10, #{",
            $size,
            "}
            str x9, [sp, #{stack}]
            str x30, [sp, #{link}]
            stp x0, x1, [sp, #{integers}]
            stp x2, x3, [sp, #{integers}+16]
            stp x4, x5, [sp, #{integers}+32]
            stp x6, x7, [sp, #{integers}+48]
            mrs x9, fpcr
            str x9, [sp, #{control}]
            cbz x9, 20f                             // mostly it is what host code has
            msr fpcr, xzr
            20:"
        )
    };
}

/// The reverse of its last lines. Changes x9.
macro_rules! control_to_guest {
    () => {
        "ldr x9, [sp, #{control}]
        cbz x9, 21f
        msr fpcr, x9
        b 22f
        21: mrs x9, fpcr                        // host code may have changed it
        cbz x9, 22f
        msr fpcr, xzr
        22:"
    };
}

/// The gate for functions: its name, and what it does with floats on the way in and on the way out. Their stub has put
/// the function's index into w17.
macro_rules! call {
    ($name:literal, $floats:literal, $float_result:literal) => {
        concat!(
            function!($name),
            "\n",
            to_host!("size"),
            "\n",
            $floats,
            "
            mov w0, w17
            mov x1, sp
            ldr x9, [x16, #{host_call}]
            blr x9
            ldr x9, [x0]
            cbnz x9, pvh_gates_leave_call           // is the guest to end?\n",
            control_to_guest!(),
            "
            ldr x0, [sp, #{result}]\n",
            $float_result,
            "\n",
            state!(),
            "
            ldr x30, [sp, #{link}]
            ldr x9, [x16, #{page}]                  // what the tail needs to deliver a line
            ldr x10, [x16, #{upcalls}]
            ldr x17, [x16, #{tail}]
            ldr x11, [sp, #{stack}]
            mov sp, x11
            br x17\n",
            end!($name)
        )
    };
}

global_asm!(
    ".pushsection .text.pvh_gates, \"ax\", @progbits",
    function!("pvh_gates_enter"),              // x0: entry point, x1: start info, x2: the word that asks for the end
    "sub sp, sp, #176",
    "stp x29, x30, [sp]",                      // what the ABI preserves
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "stp d8, d9, [sp, #96]",
    "stp d10, d11, [sp, #112]",
    "stp d12, d13, [sp, #128]",
    "stp d14, d15, [sp, #144]",
    "mrs x9, fpcr",                            // the host's control word
    "str x9, [sp, #160]",
    "msr fpcr, xzr",                           // the guest's
    state!(),
    "mov x9, sp",
    "str x9, [x16, #{host_stack}]",            // gates start here
    ".globl pvh_gates_start",
    "pvh_gates_start:",                        // from here on, leaving means pvh_gates_leave
    "ldr x9, [x2]",
    "cbnz x9, pvh_gates_leave",                // to end before it began?
    "mov x9, sp",
    "and x9, x9, x3",                          // ours until the guest has one, if an event may need it; else 0
    "mov sp, x9",
    "mov x16, x0",                             // entry point
    "mov x0, x1",                              // the registers that carry something
    "movz w1, #{magic_low}",
    "movk w1, #{magic_high}, lsl #16",
    // And those that do not.
    each!("2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "mov x\\r, xzr"),
    each!("17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30", "mov x\\r, xzr"),
    "br x16",
    end!("pvh_gates_enter"),

    call!("pvh_gates_call", "", ""),
    call!(
        "pvh_gates_call_floats",
        "stp d0, d1, [sp, #{floats}]
        stp d2, d3, [sp, #{floats}+16]
        stp d4, d5, [sp, #{floats}+32]
        stp d6, d7, [sp, #{floats}+48]",
        "ldr d0, [sp, #{float_result}]"
    ),

    // A slot's first call in lazy mode: the thunk has pushed the address of the slot and that of the symbol table
    // entry. Every register that can carry an argument is kept. No line is delivered here: the stub leads to a gate,
    // whose tail does it.
    function!("pvh_gates_resolve"),
    to_host!("resolver_size"),
    "str x8, [sp, #{indirect}]",
    "add x9, sp, #{vectors}",
    "stp q0, q1, [x9]",
    "stp q2, q3, [x9, #32]",
    "stp q4, q5, [x9, #64]",
    "stp q6, q7, [x9, #96]",
    "mov x0, sp",
    "ldr x9, [x16, #{resolve}]",
    "blr x9",
    "ldr x9, [x0]",
    "cbnz x9, pvh_gates_leave_resolver",       // is the guest to end?
    control_to_guest!(),
    "add x9, sp, #{vectors}",
    "ldp q0, q1, [x9]",
    "ldp q2, q3, [x9, #32]",
    "ldp q4, q5, [x9, #64]",
    "ldp q6, q7, [x9, #96]",
    "ldp x0, x1, [sp, #{integers}]",
    "ldp x2, x3, [sp, #{integers}+16]",
    "ldp x4, x5, [sp, #{integers}+32]",
    "ldp x6, x7, [sp, #{integers}+48]",
    "ldr x8, [sp, #{indirect}]",
    "ldr x30, [sp, #{link}]",
    "ldr x16, [sp, #{result}]",                // the function's stub
    "ldr x9, [sp, #{stack}]",
    "add sp, x9, #16",                         // without the thunk's two words
    "br x16",
    end!("pvh_gates_resolve"),
    ".globl pvh_gates_end",
    "pvh_gates_end:",

    // Not functions: from a gate whose frame is at the stack pointer they go on below. What a call preserves is the
    // guest's here.
    ".type pvh_gates_leave_resolver, @function",
    "pvh_gates_leave_resolver:",
    "mov x11, #16",                            // the thunk's two words
    "b 1f",
    ".type pvh_gates_leave_call, @function",
    "pvh_gates_leave_call:",
    "mov x11, xzr",
    "1: adrp x16, {left}",
    "add x16, x16, #:lo12:{left}",
    "ldp x0, x1, [sp, #{integers}]",
    "ldp x2, x3, [sp, #{integers}+16]",
    "ldp x4, x5, [sp, #{integers}+32]",
    "ldp x6, x7, [sp, #{integers}+48]",
    "stp x0, x1, [x16, #{left_general}]",
    "stp x2, x3, [x16, #{left_general}+16]",
    "stp x4, x5, [x16, #{left_general}+32]",
    "stp x6, x7, [x16, #{left_general}+48]",
    "stp x19, x20, [x16, #{left_general}+152]",
    "stp x21, x22, [x16, #{left_general}+168]",
    "stp x23, x24, [x16, #{left_general}+184]",
    "stp x25, x26, [x16, #{left_general}+200]",
    "stp x27, x28, [x16, #{left_general}+216]",
    "ldr x9, [sp, #{link}]",
    "stp x29, x9, [x16, #{left_general}+232]",
    "ldr x9, [sp, #{stack}]",
    "add x9, x9, x11",
    "str x9, [x16, #{left_stack}]",
    "mov x9, #1",
    "str x9, [x16, #{left_is_known}]",

    // Not a function: it returns from pvh_gates_enter, from wherever the guest was.
    ".globl pvh_gates_leave",
    ".type pvh_gates_leave, @function",
    "pvh_gates_leave:",
    state!(),
    "ldr x9, [x16, #{host_stack}]",
    "mov sp, x9",                              // the stack as pvh_gates_enter left it
    "str xzr, [x16, #{host_stack}]",           // from here on, there is nothing to leave
    "ldr x9, [sp, #160]",                      // the host's control word
    "msr fpcr, x9",
    "ldp d14, d15, [sp, #144]",
    "ldp d12, d13, [sp, #128]",
    "ldp d10, d11, [sp, #112]",
    "ldp d8, d9, [sp, #96]",
    "ldp x27, x28, [sp, #80]",
    "ldp x25, x26, [sp, #64]",
    "ldp x23, x24, [sp, #48]",
    "ldp x21, x22, [sp, #32]",
    "ldp x19, x20, [sp, #16]",
    "ldp x29, x30, [sp]",
    "add sp, sp, #176",
    "ret",
    end!("pvh_gates_leave"),
    ".popsection",

    // The template, which is copied into the guest's memory: it knows no address. In the tail x30 is the return
    // address, x9 the vCPU page, x10 the counter of upcalls, and behind that the signals that are blocked. What it
    // changes beside the results, the caller expects changed.
    ".pushsection .rodata.pvh_templates, \"a\", @progbits",
    ".balign 16",
    ".globl pvh_template, pvh_tail, pvh_tail_end",
    "pvh_template:",
    ".quad 0, 0, 0, 0",                        // the gates
    "pvh_tail:",
    "6:  ldr w11, [x9, #{pending}]",           // did a line become pending during the call?
    "tst w11, #{lines}",
    "b.ne 4f",
    "3:  ret",
    "4:  ldr w11, [x9, #{enabled}]",           // yes: are interrupts on?
    "cbz w11, 3b",
    "5:  ldxr w11, [x10]",                     // a handler counts, too
    "add w11, w11, #1",
    "stxr w12, w11, [x10]",
    "cbnz w12, 5b",
    "mov x11, sp",                             // the frame that a handler would push
    "and x12, x11, #-16",
    "sub x12, x12, #{frame}",
    "mov sp, x12",
    "stp xzr, xzr, [sp, #{context}]",          // the thread's signal stack stays as it is
    "stp xzr, xzr, [sp, #{context}+16]",
    "str xzr, [sp, #{context}+32]",
    "ldr x12, [x10, #{mask}]",
    "str x12, [sp, #{signal_mask}]",
    "add x12, sp, #{registers}",
    "stp x0, x1, [x12]",
    "stp x9, x10, [x12, #72]",
    "stp x18, x19, [x12, #144]",
    "stp x20, x21, [x12, #160]",
    "stp x22, x23, [x12, #176]",
    "stp x24, x25, [x12, #192]",
    "stp x26, x27, [x12, #208]",
    "stp x28, x29, [x12, #224]",
    "str x30, [x12, #240]",
    "str x11, [sp, #{sp}]",
    "adr x11, 6b",                             // behind the upcall, which restores these registers: look again
    "str x11, [sp, #{pc}]",
    "str xzr, [sp, #{pstate}]",
    "movz w11, #{fpsimd_low}",
    "movk w11, #{fpsimd_high}, lsl #16",
    "str w11, [sp, #{magic}]",
    "mov w11, #{record}",
    "str w11, [sp, #{record_size}]",
    "mrs x11, fpsr",
    "str w11, [sp, #{fpsr}]",
    "mrs x11, fpcr",
    "str w11, [sp, #{fpcr}]",
    "add x12, sp, #{frame_vectors}",
    "str q0, [x12]",
    "stp q8, q9, [x12, #128]",
    "stp q10, q11, [x12, #160]",
    "stp q12, q13, [x12, #192]",
    "stp q14, q15, [x12, #224]",
    "str xzr, [sp, #{frame_end}]",
    "str xzr, [sp, #{frame_end}+8]",
    "str wzr, [x9, #{enabled}]",               // as when a handler delivers
    "ldr x11, [x9, #{upcall}]",
    "br x11",
    ".balign 16",
    "pvh_tail_end:",
    ".popsection",
    state = sym STATE,
    left = sym LEFT,
    left_general = const offset_of!(Left, general),
    left_stack = const offset_of!(Left, stack),
    left_is_known = const offset_of!(Left, is_known),
    host_stack = const state::HOST_STACK,
    page = const state::PAGE,
    upcalls = const state::UPCALLS,
    tail = const state::TAIL,
    host_call = const state::HOST_CALL,
    resolve = const state::RESOLVE,
    magic_low = const paravirt_abi::start::MAGIC & 0xffff,
    magic_high = const paravirt_abi::start::MAGIC >> 16,
    size = const size_of::<Frame>(),
    resolver_size = const size_of::<ResolverFrame>(),
    integers = const offset_of!(Frame, integers),
    floats = const offset_of!(Frame, floats),
    stack = const offset_of!(Frame, stack),
    result = const offset_of!(Frame, result),
    float_result = const offset_of!(Frame, float_result),
    link = const offset_of!(Frame, link),
    control = const offset_of!(Frame, control),
    vectors = const offset_of!(ResolverFrame, vectors),
    indirect = const offset_of!(ResolverFrame, indirect),
    mask = const super::MASK,
    frame = const size_of::<UpcallFrame>(),
    context = const offset_of!(UpcallFrame, context),
    signal_mask = const offset_of!(UpcallFrame, signal_mask),
    registers = const offset_of!(UpcallFrame, registers),
    sp = const offset_of!(UpcallFrame, sp),
    pc = const offset_of!(UpcallFrame, pc),
    pstate = const offset_of!(UpcallFrame, pstate),
    fpsimd_low = const FPSIMD_MAGIC & 0xffff,
    fpsimd_high = const FPSIMD_MAGIC >> 16,
    magic = const offset_of!(UpcallFrame, magic),
    record = const offset_of!(UpcallFrame, end) - offset_of!(UpcallFrame, magic),
    record_size = const offset_of!(UpcallFrame, size),
    fpsr = const offset_of!(UpcallFrame, fpsr),
    fpcr = const offset_of!(UpcallFrame, fpcr),
    frame_vectors = const offset_of!(UpcallFrame, vectors),
    frame_end = const offset_of!(UpcallFrame, end),
    lines = const !HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    upcall = const offset_of!(VcpuPage, upcall_entry),
);
