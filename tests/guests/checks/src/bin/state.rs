// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls its host with the processor in states that the host's code must not see, and finds its own again.
//!
//! The host is of the guest's own width, in C. What is wrong is printed; the host is told how much it is.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::Line;
use paravirt_bsp::{l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// The quotient, computed with the C ABI's control words.
        safe fn check_quotient(a: f64, b: f64) -> f64;
        /// The control word of SSE that host code has.
        safe fn check_mxcsr() -> u32;
        /// Latches the line, and does nothing that has it delivered. Not 0 if the line was ready before, and is not
        /// after.
        safe fn check_latch(line: u32) -> i32;
        /// Releases the guest that runs, which the host must not.
        fn check_release();
        /// Ends the guest.
        safe fn check_done(code: i32) -> !;
    }
}

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");

static CALLS: AtomicU32 = AtomicU32::new(0);

fn handle(_line: Line) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn main() -> i32 {
    let mut failed = 0;
    let mut check = |name: &str, passed: bool| {
        if !passed {
            println!("{name}: wrong");
            failed += 1;
        }
    };
    check("control words at the start", control::at_the_start());
    control::check(&mut check);
    LINE.attach(&handle).expect("the line is free");
    check("a line is ready until it is latched", check_latch(FIRST_FREE) != 0);
    check(
        "a line that a host function has latched",
        CALLS.load(Ordering::Relaxed) == 1,
    );
    // SAFETY: the host refuses.
    unsafe { check_release() };
    check_done(failed)
}

/// MXCSR at the start of a program.
static DEFAULT_MXCSR: u32 = 0x1f80;

/// The control words of the x87 unit, which host code for i386 computes with, and MXCSR, which it may compute with.
#[cfg(target_arch = "x86")]
mod control {
    use core::arch::asm;

    use super::{DEFAULT_MXCSR, check_mxcsr, check_quotient};

    pub fn at_the_start() -> bool {
        let (mut word, mut mxcsr) = (0_u16, 0_u32);
        // SAFETY: writes the words.
        unsafe { asm!("fnstcw [{}]", "stmxcsr [{}]", in(reg) &raw mut word, in(reg) &raw mut mxcsr, options(nostack)) };
        word == 0x37f && mxcsr == DEFAULT_MXCSR
    }

    /// Whether host code has its own with this one here, which is here afterwards.
    fn is_kept(mxcsr: u32) -> bool {
        let (of_host, mut after): (u32, u32);
        after = 0;
        // SAFETY: a call of a function that keeps to the C ABI; the word is the default again at the end.
        unsafe {
            asm!(
                "ldmxcsr [edi]",
                "call {host}",
                "stmxcsr [ebx]",
                "ldmxcsr [{default}]",
                host = sym check_mxcsr,
                default = sym DEFAULT_MXCSR,
                in("edi") &raw const mxcsr,
                in("ebx") &raw mut after,
                lateout("eax") of_host,
                clobber_abi("C"),
            );
        }
        of_host == DEFAULT_MXCSR && after == mxcsr
    }

    /// A third, computed by the host after some instructions here.
    #[repr(C)]
    struct Call {
        result: f64,
        control: u16,
        after: u16,
    }

    macro_rules! third_after {
        ($control:expr, $($instruction:literal),*) => {{
            let mut call = Call { result: 0.0, control: $control, after: 0 };
            // SAFETY: a call of a function that keeps to the C ABI, with a structure for it; the unit is as it was at
            // the end.
            unsafe {
                asm!(
                    "fninit",
                    "fldcw [edi + 8]",
                    $($instruction,)*
                    "push 0x40080000", // 3.0
                    "push 0",
                    "push 0x3ff00000", // 1.0
                    "push 0",
                    "call {quotient}",
                    "add esp, 16",
                    "fnstcw [edi + 10]",
                    "fstp qword ptr [edi]",
                    "fnclex",
                    "fninit",
                    quotient = sym check_quotient,
                    in("edi") &raw mut call,
                    clobber_abi("C"),
                );
            }
            call.result == 1.0 / 3.0 && call.after == call.control
        }};
    }

    pub fn check(check: &mut impl FnMut(&str, bool)) {
        // Rounding towards zero, and every exception reported.
        check("another MXCSR", is_kept(0x6000));
        // Every exception would be reported.
        const UNMASKED: u16 = 0x340;
        // All but one, which host code raises as well.
        const INEXACT: u16 = 0x35f;
        check(
            "an exception that waits",
            third_after!(UNMASKED, "fld1", "fldz", "fdivp"),
        );
        check("an exception of the host's", third_after!(INEXACT,));
        check(
            "a full stack",
            third_after!(0x37f, "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1"),
        );
    }
}

/// MXCSR, which host code for x86-64 computes with.
#[cfg(target_arch = "x86_64")]
mod control {
    use core::arch::asm;

    use super::{DEFAULT_MXCSR, check_mxcsr, check_quotient};

    pub fn at_the_start() -> bool {
        let (mut word, mut control) = (0_u16, 0_u32);
        // SAFETY: writes the words.
        unsafe {
            asm!("fnstcw [{}]", "stmxcsr [{}]", in(reg) &raw mut word, in(reg) &raw mut control, options(nostack));
        }
        word == 0x37f && control == DEFAULT_MXCSR
    }

    /// A third, computed by the host with this control word here.
    fn third_with(control: u32) -> bool {
        let result: f64;
        let mut after = 0_u32;
        // SAFETY: a call of a function that keeps to the C ABI; the word is the default again at the end.
        unsafe {
            asm!(
                "ldmxcsr [r14]",
                "call {quotient}",
                "stmxcsr [r12]",
                "ldmxcsr [r13]",
                quotient = sym check_quotient,
                in("r12") &raw mut after,
                in("r13") &raw const DEFAULT_MXCSR,
                in("r14") &raw const control,
                inout("xmm0") 1.0_f64 => result,
                inout("xmm1") 3.0_f64 => _,
                clobber_abi("C"),
            );
        }
        result == 1.0 / 3.0 && after == control
    }

    pub fn check(check: &mut impl FnMut(&str, bool)) {
        // Rounding towards zero, and every exception reported.
        check("another control word", third_with(0x6000));
        check("MXCSR of host code", check_mxcsr() == DEFAULT_MXCSR);
    }
}
