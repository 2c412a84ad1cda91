// SPDX-License-Identifier: MIT OR Apache-2.0
//! Holds patterns in every register while timer interrupts and host calls come and go: `numeric [HZ] [MS] [RED_ZONE]`.
//! RED_ZONE is 0 where the processor pushes frames directly below the stack pointer.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::registers::{self, ControlWords, Registers};
use guest_checks::{SECOND, now, number, red_zone};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::interface::pv_clock_now;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::{TICK, Timer};
use paravirt_bsp::{cpu, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

static UPCALLS: AtomicU32 = AtomicU32::new(0);
/// Handlers that began with the interrupted code's flags or control words.
static DIRTY: AtomicU32 = AtomicU32::new(0);

/// Computes with floating point, so that every register it may use is another afterwards.
fn disturb(_timer: Timer, expirations: u64) {
    DIRTY.fetch_add(u32::from(!is_clean()), Ordering::Relaxed);
    let calls = UPCALLS.fetch_add(1, Ordering::Relaxed);
    black_box(pv_clock_now());
    let mut sum = f64::from(calls) + expirations as f64;
    for n in 1..20 {
        sum = black_box(sum / 3.0 + f64::from(n));
    }
    black_box(sum);
    registers::disturb();
}

/// Returns whether direction flag and control words are as at a program's start. The flags of what was computed may be
/// another handler's.
fn is_clean() -> bool {
    let flags: usize;
    // SAFETY: reads the flags by way of the stack.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("pushfq", "pop {}", out(reg) flags);
        #[cfg(target_arch = "x86")]
        asm!("pushfd", "pop {}", out(reg) flags);
    }
    flags & DIRECTION == 0 && ControlWords::current().is_default()
}

/// Direction flag.
const DIRECTION: usize = 0x400;
/// A free line, which the guest raises itself.
const OWN: Line = Line::new(FIRST_FREE).expect("there are 31 lines");

fn on_own(_line: Line) {
    DIRTY.fetch_add(u32::from(!is_clean()), Ordering::Relaxed);
    registers::disturb();
    OWN_CALLS.fetch_add(1, Ordering::Relaxed);
}

static OWN_CALLS: AtomicU32 = AtomicU32::new(0);

/// A line that is found when interrupts are turned on: its handler begins as if it had interrupted, and the control
/// words, and the flags of what was computed, are as before afterwards.
fn control_words_survive_turning_interrupts_on() -> bool {
    let calls = OWN_CALLS.load(Ordering::Relaxed);
    let own = ControlWords {
        mxcsr: 0x7fa1,
        x87: 0xf7f,
    };
    let before = cpu::without_interrupts(|_| {
        OWN.raise().expect("the line exists");
        own.replace()
    });
    let found = before.replace();
    found == own && OWN_CALLS.load(Ordering::Relaxed) == calls + 1
}

fn main() -> i32 {
    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer.attach(&disturb).expect("nobody else uses it");
    OWN.attach(&on_own).expect("nobody else uses it");
    let period = SECOND / number(0, 10_000);
    timer.start_ns(period, period).expect("a period in range");

    let end = now() + number(1, 500) * (SECOND / 1000);
    let with_red_zone = number(2, 1) != 0;
    let (mut rounds, mut wrong) = (0, 0);
    while now() < end {
        let pattern = Registers::pattern(rounds);
        let found = pattern.hold(50_000);
        if found != pattern {
            if wrong == 0 {
                println!("loaded {pattern:x?}\nfound  {found:x?}");
            }
            wrong += 1;
        }
        if with_red_zone {
            wrong += red_zone::changes(50_000);
        }
        wrong += usize::from(!control_words_survive_a_call());
        wrong += usize::from(!control_words_survive_turning_interrupts_on());
        rounds += 1;
    }
    timer.stop().expect("it runs");
    let upcalls = UPCALLS.load(Ordering::Relaxed);
    let dirty = DIRTY.load(Ordering::Relaxed);
    println!(
        "numeric: {wrong} wrong in {rounds} rounds, {upcalls} calls of the handler, {dirty} of them with wrong \
        registers; AVX: {}",
        registers::has_avx()
    );
    i32::from(wrong > 0 || dirty > 0 || upcalls == 0)
}

/// A host call must keep the control words and leave the direction flag clear (System V ABI, 3.2.1); and it keeps what
/// was raised.
fn control_words_survive_a_call() -> bool {
    const MXCSR: u32 = 0x5f80;
    const CONTROL: u32 = 0xb7f;
    /// A result that was not exact, as a third is not.
    const INEXACT: u32 = 1 << 5;
    // Loaded, found, the caller's: pairs of mxcsr and x87 control word; the x87 status word.
    let mut words = [MXCSR, CONTROL, 0, 0, 0, 0, 0];
    let flags: usize;
    // SAFETY: a call by the C ABI; the stack is aligned because this is not a leaf for the compiler, and the caller's
    // control words are put back.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "stmxcsr 16(%r12)",
            "fnstcw 20(%r12)",
            "ldmxcsr (%r12)",
            "fldcw 4(%r12)",
            "fld1",
            "fldpi",
            "fdivrp",
            "fstp %st(0)",
            "call {call}",
            "fnstsw 24(%r12)",
            "pushfq",
            "popq %rax",
            "stmxcsr 8(%r12)",
            "fnstcw 12(%r12)",
            "ldmxcsr 16(%r12)",
            "fldcw 20(%r12)",
            call = sym pv_clock_now,
            in("r12") words.as_mut_ptr(),
            lateout("rax") flags,
            clobber_abi("C"),
            options(att_syntax),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "stmxcsr 16(%edi)",
            "fnstcw 20(%edi)",
            "ldmxcsr (%edi)",
            "fldcw 4(%edi)",
            "fld1",
            "fldpi",
            "fdivrp",
            "fstp %st(0)",
            "call {call}",
            "fnstsw 24(%edi)",
            "pushfl",
            "popl %eax",
            "stmxcsr 8(%edi)",
            "fnstcw 12(%edi)",
            "ldmxcsr 16(%edi)",
            "fldcw 20(%edi)",
            call = sym pv_clock_now,
            in("edi") words.as_mut_ptr(),
            lateout("eax") flags,
            clobber_abi("C"),
            options(att_syntax),
        );
    }
    words[2..4] == [MXCSR, CONTROL] && words[6] & INEXACT != 0 && flags & DIRECTION == 0
}
