// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of x86.

#[cfg(target_arch = "x86")]
use core::arch::x86::__cpuid;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::__cpuid;
use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::mem::offset_of;

#[cfg(target_arch = "x86_64")]
const GENERAL: usize = 14;
#[cfg(target_arch = "x86")]
const GENERAL: usize = 6;
#[cfg(target_arch = "x86_64")]
const SSE: usize = 16;
#[cfg(target_arch = "x86")]
const SSE: usize = 8;

/// Carry, zero, sign, direction and overflow: the flags that code can set and must find again.
const FLAGS: usize = 0xcc1;

/// The registers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(16))]
pub struct Registers {
    general: [usize; GENERAL],
    flags: usize,
    mxcsr: u32,
    control: u32,
    sse: [[u64; 2]; SSE],
    x87: [f64; 8],
    /// The upper halves of the registers that SSE has the lower halves of.
    avx: [[u64; 2]; SSE],
    /// Whether there are upper halves, 0 or 1; if not, nothing changes `avx`.
    has_avx: u32,
}

impl Registers {
    /// Values that differ in every register and from every other `seed`: rounding towards minus infinity, direction
    /// flag set.
    #[must_use]
    pub fn pattern(seed: usize) -> Self {
        let word = |index: usize| seed.wrapping_mul(0x0101_0101).wrapping_add(index * 0x11) | 1;
        Self {
            general: core::array::from_fn(word),
            flags: FLAGS & if seed.is_multiple_of(2) { usize::MAX } else { !1 },
            mxcsr: 0x3f80,
            control: 0x77f,
            sse: core::array::from_fn(|index| [word(index + 20) as u64, !(word(index + 40) as u64)]),
            x87: core::array::from_fn(|index| word(index + 60) as f64 / 3.0),
            avx: core::array::from_fn(|index| [!(word(index + 80) as u64), word(index + 100) as u64]),
            has_avx: has_avx().into(),
        }
    }

    /// Loads all registers, spins `loops` times without touching one, and returns what they hold then.
    #[must_use]
    pub fn hold(&self, loops: usize) -> Self {
        let found = Cell::new(*self);
        self.hold_to(&found, loops);
        found.get().known()
    }

    /// The same with few instructions beside the registers' own: what they hold goes to `found`, with all flags.
    pub fn hold_to(&self, found: &Cell<Self>, loops: usize) {
        // SAFETY: reads the first, writes the second, keeps what the C ABI says is kept.
        unsafe { check_hold_registers(self, found.as_ptr(), loops) };
    }

    /// With those flags only that code can set and must find again.
    #[must_use]
    pub fn known(mut self) -> Self {
        self.flags &= FLAGS;
        self
    }
}

/// How the x87 unit and SSE compute, and the flags of what SSE has computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlWords {
    /// Control and status of SSE.
    pub mxcsr: u32,
    /// Control word of the x87 unit.
    pub x87: u16,
}

impl ControlWords {
    /// Returns whether they are as at a program's start (System V ABI, AMD64 supplement, 3.4.1), but for the flags.
    #[must_use]
    pub const fn is_default(self) -> bool {
        const FLAGS: u32 = 0x3f;
        self.mxcsr & !FLAGS == 0x1f80 && self.x87 == 0x37f
    }

    /// Those of now.
    #[must_use]
    pub fn current() -> Self {
        let mut words = Self { mxcsr: 0, x87: 0 };
        // SAFETY: stores to two variables.
        unsafe {
            let (mxcsr, x87) = (&raw mut words.mxcsr, &raw mut words.x87);
            asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) mxcsr, in(reg) x87, options(nostack));
        }
        words
    }

    /// Puts these in the place of those of now, and returns those.
    pub fn replace(self) -> Self {
        let before = Self::current();
        // SAFETY: loads from two variables; whoever asks for other control words gets what is computed by them.
        unsafe {
            let (mxcsr, x87) = (&raw const self.mxcsr, &raw const self.x87);
            asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) mxcsr, in(reg) x87, options(nostack));
        }
        before
    }
}

/// Returns whether the processor has AVX and whoever owns it has turned it on (Intel SDM volume 1, 14.3).
#[must_use]
pub fn has_avx() -> bool {
    const OSXSAVE_AND_AVX: u32 = 1 << 27 | 1 << 28;
    const SSE_AND_AVX: u32 = 1 << 1 | 1 << 2;
    // Newer compilers know by themselves that it is safe.
    #[allow(unused_unsafe)]
    // SAFETY: all processors that guests run on have the instruction.
    let features = unsafe { __cpuid(1) }.ecx;
    if features & OSXSAVE_AND_AVX != OSXSAVE_AND_AVX {
        return false;
    }
    let enabled: u32;
    // SAFETY: reads XCR0, which is there.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    enabled & SSE_AND_AVX == SSE_AND_AVX
}

/// Leaves other values in the registers of SSE and AVX, as a handler may that was compiled for them.
pub fn disturb() {
    if has_avx() {
        // SAFETY: of these registers none belongs to the caller.
        unsafe { asm!("vzeroall", clobber_abi("C"), options(nomem, nostack)) };
    }
}

unsafe extern "C" {
    fn check_hold_registers(load: *const Registers, store: *mut Registers, loops: usize);
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.check_hold_registers, \"ax\", @progbits",
    "check_hold_registers:",
    "    pushq %rbx",                      // what belongs to the caller
    "    pushq %rbp",
    "    pushq %r12",
    "    pushq %r13",
    "    pushq %r14",
    "    pushq %r15",
    "    pushq %rsi",                      // where to store
    "    subq $16, %rsp",                  // the caller's control words
    "    stmxcsr (%rsp)",
    "    fnstcw 4(%rsp)",
    "    movq %rdx, %rcx",                 // loops
    "    ldmxcsr {mxcsr}(%rdi)",
    "    fldcw {control}(%rdi)",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    movups {sse} + 16 * \\n(%rdi), %xmm\\n",
    ".endr",
    "    cmpl $0, {has_avx}(%rdi)",
    "    je 3f",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    vinsertf128 $1, {avx} + 16 * \\n(%rdi), %ymm\\n, %ymm\\n",
    ".endr",
    "3:",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "    fldl {x87} + 8 * \\n(%rdi)",
    ".endr",
    "    pushfq",                          // the interrupt flag stays as it is: in ring 0 it is the processor's
    "    popq %rax",
    "    andl $0x200, %eax",
    "    orq {flags}(%rdi), %rax",
    "    pushq %rax",                      // direction flag and others; nothing below changes them
    "    popfq",
    "    movq 0(%rdi), %rax",
    "    movq 8(%rdi), %rbx",
    "    movq 16(%rdi), %rdx",
    "    movq 24(%rdi), %rsi",
    "    movq 32(%rdi), %rbp",
    "    movq 40(%rdi), %r8",
    "    movq 48(%rdi), %r9",
    "    movq 56(%rdi), %r10",
    "    movq 64(%rdi), %r11",
    "    movq 72(%rdi), %r12",
    "    movq 80(%rdi), %r13",
    "    movq 88(%rdi), %r14",
    "    movq 96(%rdi), %r15",
    "    movq 104(%rdi), %rdi",
    "1:  jrcxz 2f",
    "    leaq -1(%rcx), %rcx",
    "    jmp 1b",
    "2:  pushfq",
    "    pushq %rdi",
    "    movq 32(%rsp), %rdi",             // where to store, below two pushes and the control words
    "    movq %rax, 0(%rdi)",
    "    movq %rbx, 8(%rdi)",
    "    movq %rdx, 16(%rdi)",
    "    movq %rsi, 24(%rdi)",
    "    movq %rbp, 32(%rdi)",
    "    movq %r8, 40(%rdi)",
    "    movq %r9, 48(%rdi)",
    "    movq %r10, 56(%rdi)",
    "    movq %r11, 64(%rdi)",
    "    movq %r12, 72(%rdi)",
    "    movq %r13, 80(%rdi)",
    "    movq %r14, 88(%rdi)",
    "    movq %r15, 96(%rdi)",
    "    popq 104(%rdi)",
    "    popq {flags}(%rdi)",
    "    cld",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    movups %xmm\\n, {sse} + 16 * \\n(%rdi)",
    ".endr",
    "    cmpl $0, {has_avx}(%rdi)",
    "    je 4f",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "    vextractf128 $1, %ymm\\n, {avx} + 16 * \\n(%rdi)",
    ".endr",
    "    vzeroupper",
    "4:",
    ".irp n, 7, 6, 5, 4, 3, 2, 1, 0",      // the last loaded is on top
    "    fstpl {x87} + 8 * \\n(%rdi)",
    ".endr",
    "    stmxcsr {mxcsr}(%rdi)",
    "    fnstcw {control}(%rdi)",
    "    ldmxcsr (%rsp)",
    "    fldcw 4(%rsp)",
    "    addq $24, %rsp",
    "    popq %r15",
    "    popq %r14",
    "    popq %r13",
    "    popq %r12",
    "    popq %rbp",
    "    popq %rbx",
    "    ret",
    ".popsection",
    mxcsr = const offset_of!(Registers, mxcsr),
    control = const offset_of!(Registers, control),
    sse = const offset_of!(Registers, sse),
    x87 = const offset_of!(Registers, x87),
    avx = const offset_of!(Registers, avx),
    has_avx = const offset_of!(Registers, has_avx),
    flags = const offset_of!(Registers, flags),
    options(att_syntax),
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".pushsection .text.check_hold_registers, \"ax\", @progbits",
    "check_hold_registers:",
    "    pushl %ebx",                      // what belongs to the caller
    "    pushl %ebp",
    "    pushl %esi",
    "    pushl %edi",
    "    movl 20(%esp), %edi",             // what to load
    "    movl 28(%esp), %ecx",             // loops
    "    subl $16, %esp",                  // the caller's control words
    "    stmxcsr (%esp)",
    "    fnstcw 4(%esp)",
    "    ldmxcsr {mxcsr}(%edi)",
    "    fldcw {control}(%edi)",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "    movups {sse} + 16 * \\n(%edi), %xmm\\n",
    "    fldl {x87} + 8 * \\n(%edi)",
    ".endr",
    "    cmpl $0, {has_avx}(%edi)",
    "    je 3f",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "    vinsertf128 $1, {avx} + 16 * \\n(%edi), %ymm\\n, %ymm\\n",
    ".endr",
    "3:",
    "    pushfl",                          // the interrupt flag stays as it is: in ring 0 it is the processor's
    "    popl %eax",
    "    andl $0x200, %eax",
    "    orl {flags}(%edi), %eax",
    "    pushl %eax",                      // direction flag and others; nothing below changes them
    "    popfl",
    "    movl 0(%edi), %eax",
    "    movl 4(%edi), %ebx",
    "    movl 8(%edi), %edx",
    "    movl 12(%edi), %esi",
    "    movl 16(%edi), %ebp",
    "    movl 20(%edi), %edi",
    "1:  jecxz 2f",
    "    leal -1(%ecx), %ecx",
    "    jmp 1b",
    "2:  pushfl",
    "    pushl %edi",
    "    movl 48(%esp), %edi",             // where to store, below two pushes, the control words and four pushes
    "    movl %eax, 0(%edi)",
    "    movl %ebx, 4(%edi)",
    "    movl %edx, 8(%edi)",
    "    movl %esi, 12(%edi)",
    "    movl %ebp, 16(%edi)",
    "    popl 20(%edi)",
    "    popl {flags}(%edi)",
    "    cld",
    ".irp n, 7, 6, 5, 4, 3, 2, 1, 0",      // the last loaded is on top
    "    movups %xmm\\n, {sse} + 16 * \\n(%edi)",
    "    fstpl {x87} + 8 * \\n(%edi)",
    ".endr",
    "    cmpl $0, {has_avx}(%edi)",
    "    je 4f",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "    vextractf128 $1, %ymm\\n, {avx} + 16 * \\n(%edi)",
    ".endr",
    "    vzeroupper",
    "4:",
    "    stmxcsr {mxcsr}(%edi)",
    "    fnstcw {control}(%edi)",
    "    ldmxcsr (%esp)",
    "    fldcw 4(%esp)",
    "    addl $16, %esp",
    "    popl %edi",
    "    popl %esi",
    "    popl %ebp",
    "    popl %ebx",
    "    ret",
    ".popsection",
    mxcsr = const offset_of!(Registers, mxcsr),
    control = const offset_of!(Registers, control),
    sse = const offset_of!(Registers, sse),
    x87 = const offset_of!(Registers, x87),
    avx = const offset_of!(Registers, avx),
    has_avx = const offset_of!(Registers, has_avx),
    flags = const offset_of!(Registers, flags),
    options(att_syntax),
);
