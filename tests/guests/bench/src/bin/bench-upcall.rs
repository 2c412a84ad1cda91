// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interrupt costs the code that it interrupts, by the processor's counter. `baseline/signal.c` of the
//! benchmarks measures a signal in the same way.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_bench::{counter, mode, now, time};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::external::Table;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::{TICK, Timer};
use paravirt_bsp::{l4_external_func, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Raises a line as another thread would, by a signal. The host program of the benchmarks provides it.
        safe fn bench_raise_by_signal(line: u32);
    }
}

/// A line for software.
const LINE: Line = Line::new(FIRST_FREE).expect("a free line");
/// Time between two timer interrupts in ns.
const PERIOD: u64 = 100_000;
/// Time between two raises in ns, more than the time for which the process host makes raises wait in the long run.
const PAUSE: u64 = 30_000;
/// Number of durations to take down.
const GAPS: usize = 4000;

static HANDLED: AtomicU32 = AtomicU32::new(0);

fn handle(_line: Line) {
    HANDLED.store(HANDLED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

struct Gaps(UnsafeCell<[u32; GAPS]>);
// SAFETY: there is one thread, and the handler does not access the array.
unsafe impl Sync for Gaps {}
static TAKEN: Gaps = Gaps(UnsafeCell::new([0; GAPS]));

/// Where the durations are taken down.
fn taken() -> &'static mut [u32; GAPS] {
    // SAFETY: each measurement asks for it once, after the one before is done.
    unsafe { &mut *TAKEN.0.get() }
}

/// Cycles in which a handler ran, as a loop that reads the counter all the time sees them.
fn take_gaps(taken: &mut [u32; GAPS]) {
    let mut count = 0;
    let mut seen = HANDLED.load(Ordering::Relaxed);
    let mut last = counter();
    while count < GAPS {
        let now = counter();
        let handled = HANDLED.load(Ordering::Relaxed);
        if handled == seen {
            last = now;
            continue;
        }
        // The handler ran before `now` was read, or after it.
        let gap = (now - last).max(counter() - now);
        taken[count] = u32::try_from(gap).unwrap_or(u32::MAX);
        count += 1;
        seen = handled;
        last = counter();
    }
}

/// Cycles from a call that raises a line to the return of both the handler and the call. Between two of them there is
/// time, or the host would make the second wait.
fn take_raises(taken: &mut [u32; GAPS]) {
    for taken in taken {
        let next = now() + PAUSE;
        while now() < next {}
        let before = HANDLED.load(Ordering::Relaxed);
        let begin = counter();
        bench_raise_by_signal(LINE.number());
        *taken = u32::try_from(counter() - begin).unwrap_or(u32::MAX);
        assert!(HANDLED.load(Ordering::Relaxed) == before + 1, "the handler has run");
    }
}

/// Prints what a tenth of the durations that `take` takes down do not exceed: what else the machine does makes them
/// longer, never shorter.
fn report(name: &str, take: fn(&mut [u32; GAPS])) {
    let taken = taken();
    let (begin, begin_cycles) = (now(), counter());
    take(taken);
    let (end, end_cycles) = (now(), counter());
    taken.sort_unstable();
    let picoseconds = u128::from(taken[GAPS / 10]) * u128::from(end - begin) * 1000;
    println!("{name} {}", picoseconds / u128::from(end_cycles - begin_cycles));
}

extern "C" fn measure_raise(count: u32) {
    for _ in 0..count {
        LINE.raise().expect("the line exists");
    }
}

fn main() -> i32 {
    if mode() != "time" {
        return 2;
    }
    Line::TIMER.attach(&handle).expect("the timer's line");
    LINE.attach(&handle).expect("a free line");

    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer.start_ns(PERIOD, PERIOD).expect("a period in range");
    report("timer", take_gaps);
    timer.stop().expect("it runs");

    if Table::of_image()
        .find("bench_raise_by_signal")
        .is_some_and(|entry| entry.is_bound())
    {
        report("signal", take_raises);
    }
    time("raise", 100, measure_raise);
    0
}
