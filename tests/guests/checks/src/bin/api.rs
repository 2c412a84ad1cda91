// SPDX-License-Identifier: MIT OR Apache-2.0
//! Uses the wrapped API through the traits that embedded Rust knows it by, and checks what it promises. Prints a line
//! for each check. With the argument `error`, returns an error from `main` instead.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use critical_section::Mutex;
use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use paravirt_bsp::abi::line;
use paravirt_bsp::clock::{Instant, since_unix_epoch};
use paravirt_bsp::console::Console;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::{Delay, Timer};
use paravirt_bsp::{Error, cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

const LINE: Line = Line::new(line::FIRST_FREE).expect("a free line");
const TIMER: Timer = Timer::new(1).expect("there are 8 timers");
static CALLS: AtomicU32 = AtomicU32::new(0);
static SHARED: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

fn count(_line: Line) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    critical_section::with(|token| SHARED.borrow(token).set(SHARED.borrow(token).get() + 1));
}

/// A name, and whether what it names is as promised.
type Check = (&'static str, fn() -> bool);

fn main() -> Result<i32, Error> {
    if start::arguments().next() == Some("error") {
        return Err(Error::NoSuchDevice);
    }
    let checks: [Check; 13] = [
        ("interrupts are on at the start", cpu::interrupts_enabled),
        ("arguments", arguments),
        ("memory", memory),
        ("console", console),
        ("attach and detach", attach_and_detach),
        ("a line's handler with state", line_with_state),
        ("a timer's handler with state", timer_with_state),
        ("handlers in the C form", c_form),
        ("critical section", critical),
        ("delay", delay),
        ("times", times),
        ("wall clock", wall_clock),
        ("errors", errors),
    ];
    let mut failed = 0;
    for (name, check) in checks {
        let passed = check();
        failed += i32::from(!passed);
        println!("{name}: {}", if passed { "passed" } else { "FAILED" });
    }
    Ok(failed)
}

fn arguments() -> bool {
    start::arguments().eq(["one", "two"])
}

/// Free memory is there, writable, and zero.
fn memory() -> bool {
    start::memory().iter().filter(|range| range.kind == 1).all(|range| {
        let bytes = range.start as usize as *mut u8;
        // SAFETY: the host gives the range to the guest, and nobody else uses it.
        unsafe {
            let first = bytes.read_volatile();
            let last = bytes.add(range.size as usize - 1);
            let zero = first == 0 && last.read_volatile() == 0;
            bytes.write_volatile(1);
            last.write_volatile(2);
            zero && bytes.read_volatile() == 1 && last.read_volatile() == 2
        }
    }) && start::memory().iter().any(|range| range.kind == 1)
}

/// Input is `in` and its end; `read_ready` promises that the next read does not wait.
fn console() -> bool {
    let mut bytes = [0; 8];
    let mut input = [0; 2];
    let written = Console.write_all(b"written\n").is_ok() && Console.flush().is_ok();
    while Console.read_ready() == Ok(false) {
        core::hint::spin_loop();
    }
    let first = Console.read(&mut bytes[..1]) == Ok(1) && bytes[0] == b'i';
    let rest = Console.read_exact(&mut input[..1]).is_ok() && input[0] == b'n';
    let end = Console.read(&mut bytes) == Ok(0) && Console.read_ready() == Ok(true);
    written && first && rest && end
}

fn attach_and_detach() -> bool {
    CALLS.store(0, Ordering::Relaxed);
    let attached = LINE.attach(&count).is_ok();
    let busy = LINE.attach(&|_| {}) == Err(Error::Busy);
    let raised = LINE.raise().is_ok() && calls() == 1;
    let detached = LINE.detach().is_ok();
    let silent = LINE.raise().is_ok() && calls() == 1;
    attached && busy && raised && detached && silent && LINE.detach() == Err(Error::NotAttached)
}

/// A closure that borrows from this function is called while the body runs, and no more afterwards.
fn line_with_state() -> bool {
    let line = Line::new(line::FIRST_FREE + 2).expect("a free line");
    let (calls, told) = (AtomicU32::new(0), AtomicU32::new(0));
    let handler = |line: Line| {
        calls.fetch_add(1, Ordering::Relaxed);
        told.store(line.number(), Ordering::Relaxed);
    };
    let calls = || calls.load(Ordering::Relaxed);
    let from_body = line.attach_for(&handler, || {
        let first = line.raise().is_ok() && calls() == 1;
        // It is the line's only handler.
        let mut ran = false;
        let second = line.attach_for(&|_| {}, || ran = true);
        (first, second == Err(Error::Busy) && !ran)
    });
    let gone = line.detach() == Err(Error::NotAttached);
    let silent = line.raise().is_ok() && calls() == 1;
    // What the body took away itself is no error, and the line is free again.
    let taken = line.attach_for(&handler, || line.detach()) == Ok(Ok(()));
    let other = line.attach_for(&|_| {}, || ()) == Ok(());
    from_body == Ok((true, true)) && told.load(Ordering::Relaxed) == line.number() && gone && silent && taken && other
}

fn timer_with_state() -> bool {
    let told = AtomicU64::new(0);
    let handler = |timer: Timer, expirations| {
        if timer == TIMER {
            told.fetch_add(expirations, Ordering::Relaxed);
        }
    };
    let told = || told.load(Ordering::Relaxed);
    let from_body = TIMER.attach_for(&handler, || {
        let busy = TIMER.attach(&|_, _| {}) == Err(Error::Busy);
        let begin = TIMER.expirations();
        let started = TIMER.start_periodic(Duration::from_millis(1)).is_ok();
        cpu::idle_until(|_| TIMER.expirations() >= begin + 5);
        busy && started && TIMER.stop().is_ok() && told() == TIMER.expirations() - begin
    });
    let gone = TIMER.detach() == Err(Error::NotAttached);
    let (before, seen) = (told(), TIMER.expirations());
    let again = TIMER.start_once(Duration::from_micros(1)).is_ok();
    cpu::idle_until(|_| TIMER.expirations() > seen);
    from_body == Ok(true) && gone && again && told() == before
}

/// Such a handler gets its argument.
fn c_form() -> bool {
    unsafe extern "C" fn on_line(line: u32, argument: *mut c_void) {
        // SAFETY: the word that was passed lives until the handler is gone.
        unsafe { &*argument.cast::<AtomicU32>() }.store(line, Ordering::Relaxed);
    }
    unsafe extern "C" fn on_timer(timer: u32, expirations: u64, argument: *mut c_void) {
        // SAFETY: as above.
        unsafe { &*argument.cast::<AtomicU32>() }.store(timer + expirations as u32, Ordering::Relaxed);
    }
    let (line, timer) = (AtomicU32::new(0), AtomicU32::new(0));
    // SAFETY: until they are detached below, the words live, and are only used as atomics.
    let attached = unsafe {
        LINE.attach_raw(on_line, line.as_ptr().cast())
            .and_then(|()| TIMER.attach_raw(on_timer, timer.as_ptr().cast()))
    };
    let raised = LINE.raise().is_ok() && line.load(Ordering::Relaxed) == LINE.number();
    let started = TIMER.start_once(Duration::ZERO).is_ok();
    cpu::idle_until(|_| timer.load(Ordering::Relaxed) != 0);
    attached.is_ok()
        && raised
        && started
        && timer.load(Ordering::Relaxed) == TIMER.number() + 1
        && LINE.detach().is_ok()
        && TIMER.detach().is_ok()
}

/// Inside, nothing interrupts; sections nest; at the end of the outer one what came meanwhile is delivered.
fn critical() -> bool {
    let line = Line::new(line::FIRST_FREE + 1).expect("a free line");
    critical_section::with(|token| SHARED.borrow(token).set(0));
    let attached = line.attach(&count).is_ok();
    let (inner, outer) = critical_section::with(|token| {
        let inner = critical_section::with(|token| line.raise().is_ok() && SHARED.borrow(token).get() == 0);
        (inner, SHARED.borrow(token).get() == 0 && !cpu::interrupts_enabled())
    });
    let delivered = critical_section::with(|token| SHARED.borrow(token).get()) == 1;
    attached && inner && outer && delivered && cpu::interrupts_enabled() && line.detach().is_ok()
}

/// Never shorter than asked for, with interrupts on and off.
fn delay() -> bool {
    let Some(timer) = Timer::new(7) else {
        return false;
    };
    let mut delay = Delay::new(timer);
    let mut long_enough = |ns: u32| {
        let before = Instant::now();
        delay.delay_ns(ns);
        before.elapsed() >= Duration::from_nanos(ns.into())
    };
    let on = [0, 1, 1_000, 20_000_000].into_iter().all(&mut long_enough);
    let off = cpu::without_interrupts(|_| long_enough(2_000_000));
    on && off
}

/// Sums and differences of times end where there are no more.
fn times() -> bool {
    let at = Instant::from_nanos;
    let ns = Duration::from_nanos;
    let last = at(u64::MAX);
    let mut sum = at(5);
    sum += ns(3);
    let arithmetic = sum == at(8)
        && at(8) - at(5) == ns(3)
        && at(8) - ns(5) == at(3)
        && at(8).duration_since(at(5)) == ns(3)
        && at(5).checked_add(ns(3)) == Some(at(8));
    let ends = at(5) - at(8) == Duration::ZERO
        && at(5) - ns(8) == at(0)
        && at(5) + Duration::MAX == last
        && last + ns(1) == last
        && at(8) - Duration::MAX == at(0)
        && last.checked_add(ns(1)).is_none()
        && at(0).checked_add(Duration::MAX).is_none();
    let now = Instant::now();
    let order = Instant::now() >= now && last.elapsed() == Duration::ZERO && last > now;
    // A time that is never reached.
    let before = TIMER.expirations();
    let never = TIMER.start(Duration::MAX, Duration::MAX).is_ok() && TIMER.stop().is_ok();
    arithmetic && ends && order && never && TIMER.expirations() == before
}

/// The wall clock agrees with the start info, and later than 2020 is not asking too much.
fn wall_clock() -> bool {
    const YEAR_2020: Duration = Duration::from_secs(1_577_836_800);
    const HOUR: Duration = Duration::from_secs(3600);
    let at_start = Duration::from_nanos(start::info().map_or(0, |info| info.wall_clock));
    let since_start = since_unix_epoch().checked_sub(at_start);
    at_start > YEAR_2020 && since_start.is_some_and(|passed| passed < HOUR)
}

fn errors() -> bool {
    Line::new(line::LINES).is_none()
        && Line::new(u32::MAX).is_none()
        && Timer::new(line::TIMERS).is_none()
        && TIMER.start(Duration::ZERO, Duration::from_nanos(1)) == Err(Error::InvalidArgument)
}
