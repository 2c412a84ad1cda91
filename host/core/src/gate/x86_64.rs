// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates of a host for x86-64 (System V ABI, AMD64 supplement, 3.2): for its own guests and for those for i386.

use core::arch::global_asm;
use core::mem::offset_of;

use paravirt_abi::signature::Width;
use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING, VcpuPage};

use super::left::{IN_CALL, LEFT, Left};
use super::state::{self, STATE};
pub(super) use super::x86::stub;
use super::x86::{self, DEFAULT_MXCSR, tail_32};
use super::{Gates, each, end, function};
use crate::image::{Machine, pointer_size};

/// The machine of guests of the host's own width.
pub(crate) const MACHINE: Machine = Machine::X86_64;

/// Control word of the x87 unit, in which C's `long double` is computed.
const DEFAULT_CONTROL: u16 = 0x37f;
/// The status flags of that word, which are nobody's.
const MXCSR_STATUS: u32 = 0x3f;

/// What a gate saves of the guest on the host's stack.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Frame {
    /// Of a guest for x86-64: rdi, rsi, rdx, rcx, r8, r9.
    pub integers: [u64; 6],
    /// Of a guest for x86-64, if its function has floats: xmm0 to xmm7, low halves.
    pub floats: [u64; 8],
    /// The guest's stack pointer. It points to the return address; in the resolver's gate, to the thunk's two words
    /// below it.
    pub stack: u64,
    /// For rax or edx:eax; from the resolver: where to go on.
    pub result: u64,
    /// For xmm0, or a double for st0.
    pub float_result: u64,
    /// The guest's flags.
    flags: u64,
    /// Of a guest for i386: edi and esi, which its ABI preserves and ours does not.
    preserved: [u64; 2],
    /// The guest's control words, of SSE and of the x87 unit, and for which of them the gate had to load the host's:
    /// [`SSE_CHANGED`], [`X87_CHANGED`].
    mxcsr: u32,
    control: u16,
    /// What the guest had raised in the x87 unit, if that was changed.
    status: u16,
    changed: u32,
    /// Room for the x87 unit's environment.
    environment: [u32; 7],
}

/// [`X87_FLAGS`](x86::X87_FLAGS) in the status word, and what follows from them there.
const X87_RAISED: u16 = 0xff;
/// Bits of [`Frame::changed`].
const SSE_CHANGED: u32 = 1;
const X87_CHANGED: u32 = 2;

impl Frame {
    /// The guest's stack pointer.
    pub(crate) const fn stack_pointer(&self) -> u64 {
        self.stack
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

    /// What of the guest's registers is in the frame of a call, put in its place in `general`, which is in the order of
    /// [`Registers::general`](crate::fault::Registers::general).
    pub(super) fn restore(&self, width: Width, general: &mut [u64; 16]) {
        let [rdi, rsi, rdx, rcx, r8, r9] = self.integers;
        // Of the others, those that a call does not preserve are lost.
        for register in [0, 2, 3, 10, 11] {
            general[register] = 0;
        }
        match width {
            Width::Bits64 => {
                general[2..6].copy_from_slice(&[rcx, rdx, rsi, rdi]);
                general[8..10].copy_from_slice(&[r8, r9]);
            }
            Width::Bits32 => {
                let [edi, esi] = self.preserved;
                general[4..6].copy_from_slice(&[esi, edi]);
            }
        }
        general[7] = self.stack;
    }

    /// The guest's flags.
    pub(super) const fn flags(&self) -> u64 {
        self.flags
    }
}

/// What the resolver's gate saves.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct ResolverFrame {
    /// As a gate's.
    pub(crate) frame: Frame,
    /// xmm0 to xmm7, whole.
    vectors: [[u64; 2]; 8],
    /// rax, r10, rcx, rdx.
    registers: [u64; 4],
}

const _: () = assert!(
    size_of::<Frame>().is_multiple_of(16) && size_of::<ResolverFrame>().is_multiple_of(16),
    "the stack stays aligned"
);

unsafe extern "C" {
    fn pvh_gates_call();
    fn pvh_gates_call_floats();
    fn pvh_gates_resolve();
    fn pvh_gates_far_call();
    fn pvh_gates_far_call_floats();
    fn pvh_gates_far_resolve();
    static pvh_template_64: u8;
    static pvh_tail_64: u8;
    static pvh_tail_64_end: u8;
    static pvh_template_32: u8;
    static pvh_landing: u8;
    static pvh_landing_floats: u8;
    static pvh_landing_resolve: u8;
    static pvh_tail_32: u8;
    static pvh_tail_32_upcalls: u8;
    static pvh_tail_32_end: u8;
}

/// Returns whether an instruction of the gates is one of those that enter the guest, which come first.
pub(super) fn is_enter(instruction: u64) -> bool {
    instruction < pvh_gates_call as *const () as u64
}

/// The gates for guests of that width.
pub(super) fn gates(width: Width) -> Gates {
    let words = |gates: [unsafe extern "C" fn(); 3]| gates.map(|gate| gate as *const () as usize);
    match width {
        Width::Bits64 => {
            let first = &raw const pvh_template_64;
            Gates {
                words: words([pvh_gates_call, pvh_gates_call_floats, pvh_gates_resolve]),
                template: [first, &raw const pvh_tail_64_end],
                tail: &raw const pvh_tail_64,
                counter: None,
                ways: [0, 8, 16].map(|offset| first.wrapping_add(offset)),
            }
        }
        Width::Bits32 => Gates {
            words: words([pvh_gates_far_call, pvh_gates_far_call_floats, pvh_gates_far_resolve]),
            template: [&raw const pvh_template_32, &raw const pvh_tail_32_end],
            tail: &raw const pvh_tail_32,
            counter: Some(&raw const pvh_tail_32_upcalls),
            ways: [
                &raw const pvh_landing,
                &raw const pvh_landing_floats,
                &raw const pvh_landing_resolve,
            ],
        },
    }
}

/// From the guest's control words, alignment check and direction flag to the host's, which are mostly the same. Expects
/// the stack pointer at a `Frame`; changes ecx.
macro_rules! to_host {
    () => {
        "fnstcw {control}(%rsp)
        pushfq
        popq {flags}(%rsp)                      # the address is that after the pop
        testl ${unwanted}, {flags}(%rsp)
        jnz 21f
        20: stmxcsr {mxcsr}(%rsp)
        movl {mxcsr}(%rsp), %ecx
        andl $~{mxcsr_status}, %ecx
        movl $0, {changed}(%rsp)
        cmpl {default_mxcsr}(%rip), %ecx
        jne 23f
        22: movzwl {control}(%rsp), %ecx
        cmpl ${default_control}, %ecx           # by default all is masked, and no exception waits
        jne 28f
        29:"
    };
}

/// The reverse of `to_host`.
macro_rules! to_guest {
    () => {
        "cmpl $0, {changed}(%rsp)
        jne 25f
        24: testl ${alignment_check}, {flags}(%rsp)
        jnz 27f
        26:"
    };
}

/// Gives the x87 unit its control word back, and what the guest had raised there; but not what waited to be reported,
/// and nothing of the host's, which the guest may not have masked. What is on the unit's stack stays. Expects the stack
/// pointer at a `Frame`; changes ecx.
macro_rules! x87_to_guest {
    () => {
        "fnstenv {environment}(%rsp)
        movzwl {control}(%rsp), %ecx
        movw %cx, {environment}(%rsp)           # the control word comes first (Intel SDM volume 1, 8.1.10)
        andw {status}(%rsp), %cx                # its lowest bits mask what the status word has there
        andl ${x87_flags}, %ecx
        andw $~{x87_raised}, {environment}+4(%rsp)
        orw %cx, {environment}+4(%rsp)          # the status word
        fldenv {environment}(%rsp)"
    };
}

/// What the two above need rarely, behind a gate's last jump.
macro_rules! rare {
    () => {
        concat!(
            "21: pushfq
        andl $~{unwanted}, (%rsp)
        popfq
        jmp 20b
        23: movl ${sse_changed}, {changed}(%rsp)
        ldmxcsr {default_mxcsr}(%rip)
        jmp 22b
        25: ldmxcsr {mxcsr}(%rsp)
        testl ${x87_changed}, {changed}(%rsp)
        jz 24b\n",
            x87_to_guest!(),
            "
        jmp 24b
        27: pushfq
        orl ${alignment_check}, (%rsp)
        popfq
        jmp 26b
        28: orl ${x87_changed}, {changed}(%rsp)
        fnstsw {status}(%rsp)
        fninit
        jmp 29b"
        )
    };
}

/// Saves the arguments of a guest for x86-64.
macro_rules! save_integers {
    () => {
        "movq %rdi, {integers}(%rsp)
        movq %rsi, {integers}+8(%rsp)
        movq %rdx, {integers}+16(%rsp)
        movq %rcx, {integers}+24(%rsp)
        movq %r8, {integers}+32(%rsp)
        movq %r9, {integers}+40(%rsp)"
    };
}

/// The gate for functions of a guest for x86-64: its name, and what it does with floats on the way in and on the way
/// out. Their stub has put the function's index into r11.
macro_rules! call {
    ($name:literal, $floats:expr, $float_result:literal) => {
        concat!(
            function!($name),
            "
            movq %rsp, %r10                         # the guest's stack; points to the return address
            movq {state}+{host_stack}(%rip), %rsp   # ours
            subq ${size}, %rsp
            movq %r10, {stack}(%rsp)\n",
            save_integers!(),
            "\n",
            $floats,
            "\n",
            to_host!(),
            "
            movl %r11d, %edi
            movq %rsp, %rsi
            callq *{state}+{host_call}(%rip)
            cmpq $0, (%rax)                         # is the guest to end?
            jne pvh_gates_leave_call\n",
            to_guest!(),
            "
            movq {result}(%rsp), %rax\n",
            $float_result,
            "
            movq {state}+{page}(%rip), %rcx         # what the tail needs to deliver a line
            movq {state}+{upcalls}(%rip), %rsi
            movq {stack}(%rsp), %rsp
            jmpq *{state}+{tail}(%rip)\n",
            rare!(),
            "\n",
            end!($name)
        )
    };
}

/// The gate for functions of a guest for i386: its name, and what it does with a float result. The far jump from the
/// guest has come by a landing; the stub has put the function's index into eax.
macro_rules! far_call {
    ($name:literal, $float_result:expr) => {
        concat!(
            function!($name),
            "
            movl %esp, %r10d                        # the guest's stack; points to the return address
            movq {state}+{host_stack}(%rip), %rsp   # ours
            subq ${size}, %rsp
            movq %r10, {stack}(%rsp)
            movq %rdi, {preserved}(%rsp)
            movq %rsi, {preserved}+8(%rsp)\n",
            to_host!(),
            "
            movl %eax, %edi
            movq %rsp, %rsi
            callq *{state}+{host_call}(%rip)
            cmpq $0, (%rax)                         # is the guest to end?
            jne pvh_gates_leave_call\n",
            to_guest!(),
            "\n",
            $float_result,
            "
            movl {result}(%rsp), %eax               # 64-bit results are in edx:eax
            movl {result}+4(%rsp), %edx
            movl {preserved}(%rsp), %edi
            movl {preserved}+8(%rsp), %esi
            movl {state}+{page}(%rip), %ecx         # what the tail needs to deliver a line
            movl {stack}(%rsp), %esp
            ljmpl *{state}+{far_tail}(%rip)         # to 32-bit code\n",
            rare!(),
            "\n",
            end!($name)
        )
    };
}

global_asm!(
    ".pushsection .text.pvh_gates, \"ax\", @progbits",
    function!("pvh_gates_enter"),              // rdi: entry point, rsi: start info, rdx: the word that asks for the end
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
    "andq %rcx, %rsp",                         // ours until the guest has one, if an event may need it; else 0
    "movq %rdi, %rcx",                         // entry point
    "movq %rsi, %rdx",                         // the registers that carry something
    "movl ${magic}, %eax",
    "xorl %ebx, %ebx",                         // and those that do not
    "xorl %ebp, %ebp",
    "xorl %esi, %esi",
    "xorl %edi, %edi",
    "testq %r8, %r8",                          // is it 32-bit code?
    "jnz 2f",
    each!("8, 9, 10, 11, 12, 13, 14, 15", "xorl %r\\r\\()d, %r\\r\\()d"),
    "jmpq *%rcx",
    "2: movl %ecx, {state}+{target}(%rip)",
    "movl %ss, %ecx",                          // flat data segments
    "movl %ecx, %ds",
    "movl %ecx, %es",
    "xorl %ecx, %ecx",
    "ljmpl *{state}+{target}(%rip)",
    end!("pvh_gates_enter"),

    call!("pvh_gates_call", "", ""),
    call!(
        "pvh_gates_call_floats",
        each!("0, 1, 2, 3, 4, 5, 6, 7", "movq %xmm\\r, {floats}+8*\\r(%rsp)"),
        "movq {float_result}(%rsp), %xmm0"
    ),
    far_call!("pvh_gates_far_call", ""),
    far_call!(
        "pvh_gates_far_call_floats",
        concat!(
            "fnstsw {status}(%rsp)
            fninit                              # the stack is empty
            fldl {float_result}(%rsp)\n",
            x87_to_guest!(),
        )
    ),

    // A slot's first call in lazy mode: the thunk has pushed the address of the slot and that of the symbol table
    // entry. Every register of the guest but r11 is kept. No line is delivered here: the stub leads to a gate, whose
    // tail does it.
    function!("pvh_gates_resolve"),
    "movq %rsp, %r11",                         // the guest's stack
    "movq {state}+{host_stack}(%rip), %rsp",   // ours
    "subq ${resolver_size}, %rsp",
    "movq %r11, {stack}(%rsp)",
    save_integers!(),
    "movq %rax, {registers}(%rsp)",            // number of vector registers of a variadic call
    "movq %r10, {registers}+8(%rsp)",          // static chain
    each!("0, 1, 2, 3, 4, 5, 6, 7", "movaps %xmm\\r, {vectors}+16*\\r(%rsp)"),
    to_host!(),
    "movq %rsp, %rdi",
    "callq *{state}+{resolve}(%rip)",
    "cmpq $0, (%rax)",                         // is the guest to end?
    "jne pvh_gates_leave_resolve",
    to_guest!(),
    each!("0, 1, 2, 3, 4, 5, 6, 7", "movaps {vectors}+16*\\r(%rsp), %xmm\\r"),
    "movq {integers}(%rsp), %rdi",
    "movq {integers}+8(%rsp), %rsi",
    "movq {integers}+16(%rsp), %rdx",
    "movq {integers}+24(%rsp), %rcx",
    "movq {integers}+32(%rsp), %r8",
    "movq {integers}+40(%rsp), %r9",
    "movq {registers}(%rsp), %rax",
    "movq {registers}+8(%rsp), %r10",
    "movq {result}(%rsp), %r11",               // the function's stub
    "movq {stack}(%rsp), %rsp",
    "leaq 16(%rsp), %rsp",                     // without the thunk's two words
    "jmpq *%r11",
    rare!(),
    end!("pvh_gates_resolve"),

    // The same for i386, where a caller may pass arguments in eax, ecx and edx.
    function!("pvh_gates_far_resolve"),
    "movl %esp, %r11d",
    "movq {state}+{host_stack}(%rip), %rsp",
    "subq ${resolver_size}, %rsp",
    "movq %r11, {stack}(%rsp)",
    "movq %rax, {registers}(%rsp)",
    "movq %rcx, {registers}+16(%rsp)",
    "movq %rdx, {registers}+24(%rsp)",
    "movq %rdi, {preserved}(%rsp)",
    "movq %rsi, {preserved}+8(%rsp)",
    to_host!(),
    "movq %rsp, %rdi",
    "callq *{state}+{resolve}(%rip)",
    "cmpq $0, (%rax)",
    "jne pvh_gates_leave_far_resolve",
    to_guest!(),
    "movl {result}(%rsp), %eax",               // the function's stub
    "movl %eax, {state}+{target}(%rip)",
    "movl {registers}(%rsp), %eax",
    "movl {registers}+16(%rsp), %ecx",
    "movl {registers}+24(%rsp), %edx",
    "movl {preserved}(%rsp), %edi",
    "movl {preserved}+8(%rsp), %esi",
    "movl {stack}(%rsp), %esp",
    "leal 8(%rsp), %esp",                      // without the thunk's two words
    "ljmpl *{state}+{target}(%rip)",
    rare!(),
    end!("pvh_gates_far_resolve"),
    ".globl pvh_gates_end",
    "pvh_gates_end:",

    // From a call: its frame will be gone. The resolver's gates point it to the return address, too.
    "pvh_gates_leave_far_resolve:",
    "subq $8, {stack}(%rsp)",
    "pvh_gates_leave_resolve:",
    "addq $16, {stack}(%rsp)",
    "pvh_gates_leave_call:",
    "movq %rsp, %rsi",
    "leaq {left}+{left_frame}(%rip), %rdi",
    "movl ${size}, %ecx",
    "rep movsb",
    "movl ${in_call}, {left}+{left_where}(%rip)",
    // Not a function: it returns from pvh_gates_enter, from wherever the guest was.
    ".globl pvh_gates_leave",
    ".type pvh_gates_leave, @function",
    "pvh_gates_leave:",
    "movq %rax, {left}+{left_general}(%rip)",
    "movq %rbx, {left}+{left_general}+8(%rip)",
    "movq %rcx, {left}+{left_general}+16(%rip)",
    "movq %rdx, {left}+{left_general}+24(%rip)",
    "movq %rsi, {left}+{left_general}+32(%rip)",
    "movq %rdi, {left}+{left_general}+40(%rip)",
    "movq %rbp, {left}+{left_general}+48(%rip)",
    "movq %rsp, {left}+{left_general}+56(%rip)",
    each!("8, 9, 10, 11, 12, 13, 14, 15", "movq %r\\r, {left}+{left_general}+8*\\r(%rip)"),
    "fxsave64 {left}+{left_units}(%rip)",
    "movq {state}+{host_stack}(%rip), %rsp",   // the stack as pvh_gates_enter left it
    "movq $0, {state}+{host_stack}(%rip)",     // from here on, there is nothing to leave
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
    end!("pvh_gates_leave"),

    // Calls a host function with the guest's arguments. rdi: the function, rsi: the frame, rdx: words of arguments on
    // the stack.
    function!("pvh_gates_function"),
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
    each!("0, 1, 2, 3, 4, 5, 6, 7", "movq {floats}+8*\\r(%rbx), %xmm\\r"),
    "callq *%r11",
    "movq %rax, {result}(%rbx)",
    "movq %xmm0, {float_result}(%rbx)",
    "leaq -8(%rbp), %rsp",
    "popq %rbx",
    "popq %rbp",
    "retq",
    end!("pvh_gates_function"),
    ".popsection",

    // The templates, which are copied into the guest's memory: they know no address. In the tail rsp is the return
    // address, rcx the vCPU page, rsi the counter of upcalls. Whatever it changes beside the results, the caller
    // expects changed.
    ".pushsection .rodata.pvh_templates, \"a\", @progbits",
    ".balign 16",
    ".globl pvh_template_64, pvh_tail_64, pvh_tail_64_end",
    "pvh_template_64:",
    ".quad 0, 0, 0, 0",                        // the gates
    "pvh_tail_64:",
    "6: testl ${lines}, {pending}(%rcx)",      // did a line become pending during the call?
    "jne 4f",
    "3: retq",
    "4: cmpl $0, {enabled}(%rcx)",             // yes: are interrupts on?
    "je 3b",
    "incl (%rsi)",
    "movq %rsp, %rdi",                         // build the frame that an interrupt here would push
    "andq $-16, %rsp",
    "movl %ss, %edx",
    "pushq %rdx",
    "pushq %rdi",                              // rsp
    "pushfq",
    "movl %cs, %edx",
    "pushq %rdx",
    "callq 5f",                                // rip: the next instruction
    "jmp 6b",                                  // the upcall restored every register: look again
    "5: movl $0, {enabled}(%rcx)",             // as when a handler delivers
    "jmpq *{upcall}(%rcx)",
    ".balign 16",
    "pvh_tail_64_end:",
    ".globl pvh_template_32, pvh_landing, pvh_landing_floats, pvh_landing_resolve",
    ".globl pvh_tail_32, pvh_tail_32_upcalls, pvh_tail_32_end",
    "pvh_template_32:",
    "0: .quad 0",                              // the gates
    "1: .quad 0",
    "2: .quad 0",
    "pvh_landing:",                            // where far jumps arrive, in 64-bit code
    "jmpq *0b(%rip)",
    "pvh_landing_floats:",
    "jmpq *1b(%rip)",
    "pvh_landing_resolve:",
    "jmpq *2b(%rip)",
    ".balign 16",
    ".code32",
    tail_32!(),
    ".code64",
    ".popsection",
    state = sym STATE,
    left = sym LEFT,
    left_units = const offset_of!(Left, units),
    left_general = const offset_of!(Left, general),
    left_frame = const offset_of!(Left, frame),
    left_where = const offset_of!(Left, place),
    in_call = const IN_CALL,
    default_mxcsr = sym DEFAULT_MXCSR,
    mxcsr_status = const MXCSR_STATUS,
    default_control = const DEFAULT_CONTROL,
    host_stack = const state::HOST_STACK,
    page = const state::PAGE,
    upcalls = const state::UPCALLS,
    tail = const state::TAIL,
    far_tail = const state::FAR_TAIL,
    target = const state::TARGET,
    host_call = const state::HOST_CALL,
    resolve = const state::RESOLVE,
    alignment_check = const x86::ALIGNMENT_CHECK,
    unwanted = const x86::ALIGNMENT_CHECK | x86::DIRECTION,
    no_flags = const x86::NO_FLAGS,
    magic = const paravirt_abi::start::MAGIC,
    size = const size_of::<Frame>(),
    resolver_size = const size_of::<ResolverFrame>(),
    integers = const offset_of!(Frame, integers),
    floats = const offset_of!(Frame, floats),
    stack = const offset_of!(Frame, stack),
    result = const offset_of!(Frame, result),
    float_result = const offset_of!(Frame, float_result),
    flags = const offset_of!(Frame, flags),
    preserved = const offset_of!(Frame, preserved),
    mxcsr = const offset_of!(Frame, mxcsr),
    control = const offset_of!(Frame, control),
    status = const offset_of!(Frame, status),
    environment = const offset_of!(Frame, environment),
    sse_changed = const SSE_CHANGED,
    x87_changed = const X87_CHANGED,
    x87_flags = const x86::X87_FLAGS,
    x87_raised = const X87_RAISED,
    changed = const offset_of!(Frame, changed),
    vectors = const offset_of!(ResolverFrame, vectors),
    registers = const offset_of!(ResolverFrame, registers),
    lines = const !HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    upcall = const offset_of!(VcpuPage, upcall_entry),
    options(att_syntax),
);
