// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interrupt leaves as it was, and the base of thread-local storage.

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guest_checks::registers::{self, ControlWords, Registers};
use paravirt_bsp::cpu;
use paravirt_bsp::timer::Timer;

use crate::check::{Check, Outcome, Problem, ensure, require};
use crate::settings::{MICROSECOND, MILLISECOND, note, now, time_limit};

pub const CHECKS: &[Check] = &[
    ("processor: registers and FPU survive interrupts", registers),
    ("processor: thread-local storage", thread_local_storage),
];

const TIMER: u32 = 6;
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Set by a handler that found the FPU in another state than the ABI promises.
static BAD_STATE: AtomicBool = AtomicBool::new(false);

/// Uses the FPU as any code may. The interrupted code rounds down and, on x86, has filled the x87 stack; here, neither
/// may show.
fn calculate(_timer: Timer, _expirations: u64) {
    let quotient = black_box(black_box(1.0) / black_box(10.0));
    #[cfg(target_arch = "aarch64")]
    let one = 1.0_f64;
    #[cfg(not(target_arch = "aarch64"))]
    let one = {
        let mut one = 0.0_f64;
        // SAFETY: pushes a number and pops it to a variable.
        unsafe { asm!("fld1", "fstp qword ptr [{}]", in(reg) &raw mut one, options(nostack)) };
        one
    };
    if quotient != 0.1 || one != 1.0 || !ControlWords::current().is_default() {
        BAD_STATE.store(true, Ordering::Relaxed);
    }
    registers::disturb();
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

fn timer() -> Result<Timer, Problem> {
    Timer::new(TIMER).ok_or_else(|| Problem::failed(format_args!("no timer {TIMER}")))
}

/// All of them hold other values each time, direction flag and control words included, while a timer interrupts.
fn registers() -> Outcome {
    /// Interrupts of code that holds something in every register.
    const INTERRUPTS: u32 = 50;
    /// Their period. It is longer than an emulated hypervisor takes for an interrupt.
    const PERIOD: u64 = 2 * MILLISECOND;
    // A host whose interrupts come only in calls may not even have turned on all these registers.
    crate::timer::interrupts()?;
    let timer = timer()?;
    timer.attach(&calculate)?;
    timer.start_ns(PERIOD, PERIOD)?;
    let begin = now();
    let (mut rounds, mut held) = (0, 0);
    while held < INTERRUPTS {
        let pattern = Registers::pattern(rounds);
        let before = calls();
        let found = pattern.hold(20_000);
        held += calls() - before;
        ensure!(found == pattern, "they changed in round {rounds}");
        ensure!(now() - begin < 20 * time_limit(), "only {held} interrupts");
        rounds += 1;
    }
    timer.stop()?;
    timer.detach()?;
    note(format_args!("{rounds} rounds, {held} interrupts"));
    ensure!(
        !BAD_STATE.load(Ordering::Relaxed),
        "a handler began with the FPU as the interrupted code had it"
    );
    Ok(())
}

/// A word at the base that was set, before and after a host call and an interrupt.
fn thread_local_storage() -> Outcome {
    require("pv_cpu_set_tls")?;
    for block in [[0x1111_usize, 0x2222], [0x3333, 0x4444]] {
        // SAFETY: nothing in this guest uses thread-local storage.
        unsafe { cpu::set_tls(block.as_ptr().addr())? };
        let before = word();
        let timer = timer()?;
        let expirations = timer.expirations();
        timer.start_ns(500 * MICROSECOND, 0)?;
        cpu::idle_until(|_| timer.expirations() != expirations);
        let after = word();
        ensure!(before == block[1], "{before:#x} at the base, not {:#x}", block[1]);
        ensure!(after == block[1], "{after:#x} after an interrupt");
    }
    Ok(())
}

/// The second word of the block that was set.
fn word() -> usize {
    let word: usize;
    // SAFETY: reads it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, fs:[8]", out(reg) word, options(nostack, readonly));
        #[cfg(target_arch = "x86")]
        asm!("mov {}, gs:[4]", out(reg) word, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        asm!("mrs {0}, tpidr_el0", "ldr {0}, [{0}, #8]", out(reg) word, options(nostack, readonly));
    }
    word
}
