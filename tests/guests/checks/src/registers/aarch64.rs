// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of AArch64.

use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::mem::offset_of;

/// The registers. `x30` counts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(16))]
pub struct Registers {
    general: [u64; 30],
    flags: u64,
    control: u64,
    status: u64,
    thread: u64,
    vectors: [[u64; 2]; 32],
}

impl Registers {
    /// Values that differ in every register and from every other `seed`: rounding towards minus infinity, exceptions
    /// that have happened.
    #[must_use]
    pub fn pattern(seed: usize) -> Self {
        let word = |index: usize| seed.wrapping_mul(0x0101_0101).wrapping_add(index * 0x11) as u64 | 1;
        Self {
            general: core::array::from_fn(word),
            flags: (seed as u64 & 15) << 28,
            control: 2 << 22,
            status: 1 << 27 | seed as u64 & 0x1f,
            thread: word(120),
            vectors: core::array::from_fn(|index| [word(index + 40), !word(index + 80)]),
        }
    }

    /// Loads all registers, spins `loops` times without touching one, and returns what they hold then.
    #[must_use]
    pub fn hold(&self, loops: usize) -> Self {
        let found = Cell::new(*self);
        self.hold_to(&found, loops);
        found.get()
    }

    /// The same with few instructions beside the registers' own: what they hold goes to `found`.
    pub fn hold_to(&self, found: &Cell<Self>, loops: usize) {
        // SAFETY: reads the first, writes the second, keeps what the C ABI says is kept.
        unsafe { check_hold_registers(self, found.as_ptr(), loops) };
    }

    /// With those flags only that code can set and must find again: all.
    #[must_use]
    pub const fn known(self) -> Self {
        self
    }
}

/// How the processor computes, and the flags of what it has computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlWords {
    /// Control.
    pub fpcr: u64,
    /// Status.
    pub fpsr: u64,
}

impl ControlWords {
    /// Returns whether they are as at a program's start (AAPCS64, 6.1.2), but for the flags.
    #[must_use]
    pub const fn is_default(self) -> bool {
        self.fpcr == 0
    }

    /// Those of now.
    #[must_use]
    pub fn current() -> Self {
        let (fpcr, fpsr);
        // SAFETY: reads two registers.
        unsafe { asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) fpcr, out(reg) fpsr, options(nomem, nostack)) };
        Self { fpcr, fpsr }
    }

    /// Puts these in the place of those of now, and returns those.
    pub fn replace(self) -> Self {
        let before = Self::current();
        // SAFETY: whoever asks for other control words gets what is computed by them.
        unsafe { asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) self.fpcr, in(reg) self.fpsr, options(nomem, nostack)) };
        before
    }
}

/// Leaves other values in the registers of floating point, as a handler may.
pub fn disturb() {
    // SAFETY: of these registers none belongs to the caller, but for the lower halves of those that keep them.
    unsafe {
        asm!(
            ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
            "movi v\\n\\().16b, #0x5a",
            ".endr",
            ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
            "mov v\\n\\().d[1], xzr",
            ".endr",
            clobber_abi("C"),
            options(nomem, nostack)
        );
    }
}

unsafe extern "C" {
    fn check_hold_registers(load: *const Registers, store: *mut Registers, loops: usize);
}

global_asm!(
    ".pushsection .text.check_hold_registers, \"ax\", @progbits",
    ".balign 4",
    "check_hold_registers:",
    "    sub sp, sp, #208",                 // what belongs to the caller
    "    stp x29, x30, [sp, #0]",
    "    stp x19, x20, [sp, #16]",
    "    stp x21, x22, [sp, #32]",
    "    stp x23, x24, [sp, #48]",
    "    stp x25, x26, [sp, #64]",
    "    stp x27, x28, [sp, #80]",
    "    stp d8, d9, [sp, #96]",
    "    stp d10, d11, [sp, #112]",
    "    stp d12, d13, [sp, #128]",
    "    stp d14, d15, [sp, #144]",
    "    mrs x3, fpcr",
    "    mrs x4, fpsr",
    "    stp x3, x4, [sp, #160]",
    "    mrs x3, tpidr_el0",
    "    str x3, [sp, #192]",
    "    str x1, [sp, #176]",               // where to store
    "    ldr x3, [x0, #{control}]",
    "    msr fpcr, x3",
    "    ldr x3, [x0, #{status}]",
    "    msr fpsr, x3",
    "    ldr x3, [x0, #{thread}]",
    "    msr tpidr_el0, x3",
    "    ldr x3, [x0, #{flags}]",
    "    msr nzcv, x3",
    "    add x3, x0, #{vectors}",
    "    ldp q0, q1, [x3, #0]",
    "    ldp q2, q3, [x3, #32]",
    "    ldp q4, q5, [x3, #64]",
    "    ldp q6, q7, [x3, #96]",
    "    ldp q8, q9, [x3, #128]",
    "    ldp q10, q11, [x3, #160]",
    "    ldp q12, q13, [x3, #192]",
    "    ldp q14, q15, [x3, #224]",
    "    ldp q16, q17, [x3, #256]",
    "    ldp q18, q19, [x3, #288]",
    "    ldp q20, q21, [x3, #320]",
    "    ldp q22, q23, [x3, #352]",
    "    ldp q24, q25, [x3, #384]",
    "    ldp q26, q27, [x3, #416]",
    "    ldp q28, q29, [x3, #448]",
    "    ldp q30, q31, [x3, #480]",
    "    mov x30, x2",                      // loops
    "    ldp x2, x3, [x0, #16]",
    "    ldp x4, x5, [x0, #32]",
    "    ldp x6, x7, [x0, #48]",
    "    ldp x8, x9, [x0, #64]",
    "    ldp x10, x11, [x0, #80]",
    "    ldp x12, x13, [x0, #96]",
    "    ldp x14, x15, [x0, #112]",
    "    ldp x16, x17, [x0, #128]",
    "    ldp x18, x19, [x0, #144]",
    "    ldp x20, x21, [x0, #160]",
    "    ldp x22, x23, [x0, #176]",
    "    ldp x24, x25, [x0, #192]",
    "    ldp x26, x27, [x0, #208]",
    "    ldp x28, x29, [x0, #224]",
    "    ldp x0, x1, [x0]",
    "1:  cbz x30, 2f",
    "    sub x30, x30, #1",
    "    b 1b",
    "2:  str x0, [sp, #184]",
    "    ldr x0, [sp, #176]",
    "    stp x2, x3, [x0, #16]",
    "    stp x4, x5, [x0, #32]",
    "    stp x6, x7, [x0, #48]",
    "    stp x8, x9, [x0, #64]",
    "    stp x10, x11, [x0, #80]",
    "    stp x12, x13, [x0, #96]",
    "    stp x14, x15, [x0, #112]",
    "    stp x16, x17, [x0, #128]",
    "    stp x18, x19, [x0, #144]",
    "    stp x20, x21, [x0, #160]",
    "    stp x22, x23, [x0, #176]",
    "    stp x24, x25, [x0, #192]",
    "    stp x26, x27, [x0, #208]",
    "    stp x28, x29, [x0, #224]",
    "    ldr x2, [sp, #184]",
    "    stp x2, x1, [x0]",
    "    mrs x1, nzcv",
    "    str x1, [x0, #{flags}]",
    "    mrs x1, fpcr",
    "    str x1, [x0, #{control}]",
    "    mrs x1, fpsr",
    "    str x1, [x0, #{status}]",
    "    mrs x1, tpidr_el0",
    "    str x1, [x0, #{thread}]",
    "    add x1, x0, #{vectors}",
    "    stp q0, q1, [x1, #0]",
    "    stp q2, q3, [x1, #32]",
    "    stp q4, q5, [x1, #64]",
    "    stp q6, q7, [x1, #96]",
    "    stp q8, q9, [x1, #128]",
    "    stp q10, q11, [x1, #160]",
    "    stp q12, q13, [x1, #192]",
    "    stp q14, q15, [x1, #224]",
    "    stp q16, q17, [x1, #256]",
    "    stp q18, q19, [x1, #288]",
    "    stp q20, q21, [x1, #320]",
    "    stp q22, q23, [x1, #352]",
    "    stp q24, q25, [x1, #384]",
    "    stp q26, q27, [x1, #416]",
    "    stp q28, q29, [x1, #448]",
    "    stp q30, q31, [x1, #480]",
    "    ldp x3, x4, [sp, #160]",
    "    msr fpcr, x3",
    "    msr fpsr, x4",
    "    ldr x3, [sp, #192]",
    "    msr tpidr_el0, x3",
    "    ldp x29, x30, [sp, #0]",
    "    ldp x19, x20, [sp, #16]",
    "    ldp x21, x22, [sp, #32]",
    "    ldp x23, x24, [sp, #48]",
    "    ldp x25, x26, [sp, #64]",
    "    ldp x27, x28, [sp, #80]",
    "    ldp d8, d9, [sp, #96]",
    "    ldp d10, d11, [sp, #112]",
    "    ldp d12, d13, [sp, #128]",
    "    ldp d14, d15, [sp, #144]",
    "    add sp, sp, #208",
    "    ret",
    ".popsection",
    control = const offset_of!(Registers, control),
    status = const offset_of!(Registers, status),
    thread = const offset_of!(Registers, thread),
    flags = const offset_of!(Registers, flags),
    vectors = const offset_of!(Registers, vectors),
);
