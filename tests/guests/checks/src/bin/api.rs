// SPDX-License-Identifier: MIT OR Apache-2.0
//! Uses the wrapped API through the traits that embedded Rust knows it by, and checks what it promises. Prints a line for each check.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use critical_section::Mutex;
use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use guest_checks::SECOND;
use paravirt_bsp::abi::line;
use paravirt_bsp::console::Console;
use paravirt_bsp::timer::{Delay, Timer};
use paravirt_bsp::{Error, clock, cpu, irq, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

const LINE: u32 = line::FIRST_FREE;
static CALLS: AtomicU32 = AtomicU32::new(0);
static SHARED: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

extern "C" fn count(_line: u32, argument: *mut c_void) {
    CALLS.fetch_add(argument as usize as u32, Ordering::Relaxed);
    critical_section::with(|token| SHARED.borrow(token).set(SHARED.borrow(token).get() + 1));
}

/// A name, and whether what it names is as promised.
type Check = (&'static str, fn() -> bool);

fn main() -> i32 {
    let checks: [Check; 8] = [
        ("arguments", arguments),
        ("memory", memory),
        ("console", console),
        ("attach and detach", attach_and_detach),
        ("critical section", critical),
        ("delay", delay),
        ("wall clock", wall_clock),
        ("errors", errors),
    ];
    cpu::enable_interrupts();
    let mut failed = 0;
    for (name, check) in checks {
        let passed = check();
        failed += i32::from(!passed);
        println!("{name}: {}", if passed { "passed" } else { "FAILED" });
    }
    failed
}

fn arguments() -> bool {
    start::arguments().eq(["one", "two"])
}

/// Free memory is there, writable, and zero.
fn memory() -> bool {
    start::memory()
        .iter()
        .filter(|range| range.kind == 1)
        .all(|range| {
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
        })
        && start::memory().iter().any(|range| range.kind == 1)
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
    let attached = irq::attach(LINE, count, 3 as *mut c_void).is_ok();
    let busy = irq::attach(LINE, count, core::ptr::null_mut()) == Err(Error::Busy);
    let raised = irq::raise(LINE).is_ok() && CALLS.load(Ordering::Relaxed) == 3;
    let detached = irq::detach(LINE).is_ok();
    let silent = irq::raise(LINE).is_ok() && CALLS.load(Ordering::Relaxed) == 3;
    attached && busy && raised && detached && silent && irq::detach(LINE) == Err(Error::NotAttached)
}

/// Inside, nothing interrupts; sections nest; at the end of the outer one what came meanwhile is delivered.
fn critical() -> bool {
    let line = LINE + 1;
    critical_section::with(|token| SHARED.borrow(token).set(0));
    let attached = irq::attach(line, count, core::ptr::null_mut()).is_ok();
    let (inner, outer) = critical_section::with(|token| {
        let inner = critical_section::with(|token| {
            irq::raise(line).is_ok() && SHARED.borrow(token).get() == 0
        });
        (
            inner,
            SHARED.borrow(token).get() == 0 && !cpu::interrupts_enabled(),
        )
    });
    let delivered = critical_section::with(|token| SHARED.borrow(token).get()) == 1;
    attached
        && inner
        && outer
        && delivered
        && cpu::interrupts_enabled()
        && irq::detach(line).is_ok()
}

/// Never shorter than asked for, with interrupts on and off.
fn delay() -> bool {
    let Some(timer) = Timer::new(7) else {
        return false;
    };
    let mut delay = Delay::new(timer);
    let mut long_enough = |ns: u32| {
        let before = clock::now();
        delay.delay_ns(ns);
        clock::now() - before >= u64::from(ns)
    };
    let on = [0, 1, 1_000, 20_000_000].into_iter().all(&mut long_enough);
    let off = cpu::without_interrupts(|| long_enough(2_000_000));
    on && off
}

/// The wall clock agrees with the start info, and later than 2020 is not asking too much.
fn wall_clock() -> bool {
    const YEAR_2020: u64 = 1_577_836_800 * SECOND;
    let at_start = start::info().map_or(0, |info| info.wall_clock);
    at_start > YEAR_2020 && clock::wall() >= at_start && clock::wall() - at_start < 3600 * SECOND
}

fn errors() -> bool {
    let nowhere = line::LINES;
    irq::attach(nowhere, count, core::ptr::null_mut()) == Err(Error::NoSuchDevice)
        && irq::raise(nowhere) == Err(Error::NoSuchDevice)
        && irq::mask(u32::MAX) == Err(Error::NoSuchDevice)
        && Timer::new(line::TIMERS).is_none()
        && Timer::new(1).is_some_and(|timer| timer.start(0, 1) == Err(Error::InvalidArgument))
}
