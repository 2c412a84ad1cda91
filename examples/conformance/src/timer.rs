// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers, one start at a time.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::cpu;
use paravirt_bsp::timer::Timer;

use crate::check::{Check, ONLY_IN_CALLS, Outcome, Problem, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, late, note, now, time_limit};
use crate::ticks::{self, Running};

pub const CHECKS: &[Check] = &[
    ("timer: interrupts code that makes no call", interrupts),
    ("timer: 1,000 ticks at 1 kHz, counted by the clock", ticks::thousand),
    ("timer: a first time unlike the period", ticks::first_and_period),
    ("timer: two at once", ticks::two),
    ("timer: all at once", ticks::all),
    ("timer: once, not early and not late", once),
    ("timer: stop and start again", stop_and_start),
    ("timer: a start replaces the one before", restart),
    ("timer: its handler is told of each expiration", told),
];

/// Timer of these checks.
const TIMER: u32 = 3;
/// How often each delay is tried, to tell how late a timer usually is.
const TRIES: usize = 5;
/// One beside it.
const OTHER_TIMER: u32 = 4;

fn timer() -> Result<Timer, Problem> {
    Timer::new(TIMER).ok_or_else(|| Problem::failed(format_args!("no timer {TIMER}")))
}

/// Lets interrupts come for `ns`.
fn wait(ns: u64) {
    let end = now() + ns;
    while now() < end {}
}

/// From at once to more than a 16-bit counter of 1.19 MHz holds, and never. None comes early; a machine that stands
/// still may make some late, but not half of them.
fn once() -> Outcome {
    for delay in [0, 1, 50_000, 700_000, 5_000_000, 60_000_000, 150_000_000] {
        let mut lateness = [0; TRIES];
        for one in &mut lateness {
            *one = once_for(delay)?;
        }
        lateness.sort_unstable();
        let median = lateness[TRIES / 2];
        note(format_args!(
            "{} us: {} to {} us late, {} us usually",
            delay / MICROSECOND,
            lateness[0] / MICROSECOND,
            lateness[TRIES - 1] / MICROSECOND,
            median / MICROSECOND
        ));
        ensure!(
            median <= late(),
            "a timer of {} us is usually {} us late",
            delay / MICROSECOND,
            median / MICROSECOND
        );
    }
    distant(timer()?)
}

/// Far beyond every machine's life: on its own, as a period, and beside a timer that expires.
fn distant(timer: Timer) -> Outcome {
    const TIMES: [u64; 6] = [1 << 61, 1 << 62, u64::MAX / 2, 1 << 63, (1 << 63) + 5, u64::MAX];
    for time in TIMES {
        for (first, period, expected) in [(time, 0, 0), (time, time, 0), (MILLISECOND, time, 1)] {
            let before = timer.expirations();
            timer.start_ns(first, period)?;
            let other = Running::start(OTHER_TIMER, MILLISECOND, MILLISECOND)?;
            other.wait(3);
            other.settle()?;
            other.stop()?;
            timer.stop()?;
            let count = timer.expirations() - before;
            ensure!(
                count == expected,
                "{count} expirations of a start with {first:#x} and {period:#x}"
            );
        }
    }
    Ok(())
}

/// What a timer costs here, in ns: the least that one of some is late, so that what the machine does beside it does not
/// count.
pub fn cost() -> Result<u64, Problem> {
    const SOME: usize = 20;
    (0..SOME).try_fold(u64::MAX, |least, _| Ok(least.min(once_for(50 * MICROSECOND)?)))
}

/// Starts the timer once; how late it was, in ns.
fn once_for(delay: u64) -> Result<u64, Problem> {
    let timer = timer()?;
    let before = timer.expirations();
    let begin = now();
    timer.start_ns(delay, 0)?;
    cpu::idle_until(|_| timer.expirations() != before);
    let took = now() - begin;
    ensure!(took >= delay, "expired after {took} ns instead of {delay}");
    ensure!(
        took - delay <= time_limit(),
        "expired after {} us instead of {} us",
        took / MICROSECOND,
        delay / MICROSECOND
    );
    wait(2 * MILLISECOND);
    let count = timer.expirations() - before;
    ensure!(count == 1, "{count} expirations of a timer that runs once");
    Ok(took - delay)
}

/// After a stop nothing is counted, but what was due before is, with interrupts off too; a start after it begins from
/// zero.
fn stop_and_start() -> Outcome {
    let period = 2 * MILLISECOND;
    for _ in 0..20 {
        let running = Running::start(TIMER, period, period)?;
        running.wait(2);
        running.stop()?;
        let count = running.count();
        wait(2 * period);
        ensure!(
            running.count() == count,
            "{} expirations after the stop",
            running.count() - count
        );
    }
    just_in_time(Running::stop)?;
    with_interrupts_off(Running::stop)?;
    timer()?.stop()?;
    Ok(())
}

/// A period in which only the first expiration comes.
const ONCE: u64 = 1 << 40;

/// Ends timers by `end` when they are due, or have been for some microseconds: before, while and after an interrupt
/// tells of it.
fn just_in_time(end: fn(Running) -> Outcome) -> Outcome {
    for round in 0..1000 {
        let running = Running::start(TIMER, 50 * MICROSECOND, ONCE)?;
        running.wait(1);
        wait(round * 37 % (8 * MICROSECOND));
        end(running)?;
    }
    Ok(())
}

/// Lets timers of one and of several expirations become due with interrupts off, and ends them so by `end`.
fn with_interrupts_off(end: fn(Running) -> Outcome) -> Outcome {
    for period in [ONCE, MILLISECOND] {
        for told in [false, true] {
            // The first of two interrupts finds the flag off, and may be the last that comes.
            let other = Running::start(OTHER_TIMER, MILLISECOND / 2, ONCE)?;
            let running = Running::start(TIMER, 2 * MILLISECOND, period)?;
            let outcome = cpu::without_interrupts(|_| {
                wait(5 * MILLISECOND);
                if told {
                    cpu::idle();
                }
                end(running).and_then(|()| end(other))
            });
            outcome?;
        }
    }
    Ok(())
}

/// The time of the start before counts no more, unless it was due already.
fn restart() -> Outcome {
    just_in_time(Running::replace)?;
    with_interrupts_off(Running::replace)?;
    let (delay, timer) = (40 * MILLISECOND, timer()?);
    let begin = timer.expirations();
    let mut last = now();
    timer.start_ns(delay, 0)?;
    let mut before = timer.expirations();
    for _ in 0..10 {
        wait(delay / 4);
        let count = timer.expirations() - before;
        // Unless the machine stood still for so long.
        ensure!(
            count == 0 || now() - last >= delay,
            "{count} expirations between starts"
        );
        last = now();
        timer.start_ns(delay, 0)?;
        // The start before may have expired just before this one.
        before = timer.expirations();
    }
    let end = last + delay + time_limit();
    while timer.expirations() == before && now() < end {}
    ensure!(now() - last >= delay, "the last start expired early");
    ensure!(timer.expirations() != begin, "the last start did not expire");
    Ok(())
}

/// The counter in the vCPU page goes up without help of the code that looks at it.
pub fn interrupts() -> Outcome {
    let timer = timer()?;
    let (ns, cycles) = (now(), counter());
    wait(10 * MILLISECOND);
    let rate = (counter() - cycles) / ((now() - ns) / MICROSECOND);
    let before = timer.expirations();
    let time_limit = (time_limit() / MICROSECOND).saturating_mul(rate);
    timer.start_ns(5 * MILLISECOND, 0)?;
    let begin = counter();
    while timer.expirations() == before {
        if counter() - begin > time_limit {
            // Only a call, if anything, will do.
            wait(MILLISECOND);
            ensure!(timer.expirations() != before, "it did not expire");
            return Err(Problem::NotOffered(ONLY_IN_CALLS));
        }
    }
    Ok(())
}

/// The processor's counter.
fn counter() -> u64 {
    #[cfg(target_arch = "aarch64")]
    {
        let count;
        // SAFETY: reads the virtual counter, which every host that runs this guest leaves to it.
        unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        count
    }
    #[cfg(target_arch = "x86")]
    use core::arch::x86::_rdtsc;
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::_rdtsc;
    #[cfg(not(target_arch = "aarch64"))]
    // SAFETY: every processor that this guest is built for has it.
    unsafe {
        _rdtsc()
    }
}

static TOLD: AtomicU32 = AtomicU32::new(0);
static OTHERS: AtomicU32 = AtomicU32::new(0);

fn tell(timer: Timer, expirations: u64) {
    TOLD.fetch_add(expirations as u32, Ordering::Relaxed);
    OTHERS.fetch_add(u32::from(timer.number() != TIMER), Ordering::Relaxed);
}

/// Also of those that came together while interrupts were off.
fn told() -> Outcome {
    let timer = timer()?;
    let before = timer.expirations();
    timer.attach(&tell)?;
    let running = Running::start(TIMER, MILLISECOND, MILLISECOND)?;
    for round in 0..10 {
        wait(3 * MILLISECOND);
        if round % 2 == 0 {
            cpu::without_interrupts(|_| wait(3 * MILLISECOND));
        }
    }
    running.settle()?;
    running.stop()?;
    let (count, told) = (timer.expirations() - before, TOLD.load(Ordering::Relaxed));
    timer.detach()?;
    ensure!(count == u64::from(told), "{told} told of {count}");
    ensure!(OTHERS.load(Ordering::Relaxed) == 0, "told of another timer");
    Ok(())
}
