// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the interface costs, the same report on every host: how long one operation takes in ns and in cycles of the
//! counter that the clock is made of.
//!
//! Each line is `NAME PICOSECONDS MILLICYCLES`. Short operations are done many times; the fastest batch counts, because
//! everything that disturbs one makes it longer. Of interrupts, what a tenth of the samples do not exceed.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_bench::{bench_body, counter, now};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::external::Functions;
use paravirt_bsp::interface::{pv_clock_now, pv_console_write, pv_irq_mask};
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{console, cpu, external, in_guest_functions, l4_external_func, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

l4_external_func! {
    /// Returns its argument. Bound to a body inside the guest.
    fn bench_guest_call(value: u32) -> u32;
}

static GUEST_CALL: Functions<1> = in_guest_functions! { bench_guest_call = bench_body };

/// A line for software.
const LINE: Line = Line::new(FIRST_FREE).expect("a free line");
/// Batches of which the fastest counts, and samples of which a tenth is left.
const BATCHES: usize = 50;
/// How far in the future a timer is started, in ns: longer than starting it takes under emulation.
const AHEAD: u64 = 500_000;

fn direct_call() {
    // SAFETY: any number.
    black_box(unsafe { bench_body(black_box(1)) });
}

fn thunk_call() {
    // SAFETY: any number.
    black_box(unsafe { bench_guest_call(black_box(1)) });
}

/// The cheapest host function that changes something; the line is masked already.
fn mask() {
    black_box(pv_irq_mask(LINE.number() + 1));
}

fn host_clock() {
    black_box(pv_clock_now());
}

fn console_byte() {
    // SAFETY: a buffer of one byte.
    black_box(unsafe { pv_console_write(b".".as_ptr(), 1) });
}

fn guest_clock() {
    black_box(now());
}

/// A word for volatile stores.
struct Word(UnsafeCell<u32>);
// SAFETY: there is one thread, and nothing but the volatile stores below accesses the word.
unsafe impl Sync for Word {}
static WORD: Word = Word(UnsafeCell::new(0));

/// What turning interrupts off and on is compared with.
fn stores() {
    // SAFETY: see `Word`.
    unsafe {
        WORD.0.get().write_volatile(0);
        WORD.0.get().write_volatile(1);
    }
}

fn interrupts_off_on() {
    cpu::disable_interrupts();
    // SAFETY: no critical section is open.
    unsafe { cpu::enable_interrupts() };
}

/// Cycles that reading the counter takes. Some hypervisors read it for the guest.
fn reading() -> u64 {
    (0..BATCHES).fold(u64::MAX, |best, _| {
        let begin = counter();
        best.min(counter() - begin)
    })
}

/// Thousandths of a cycle in which `body`, done `operations` times, does one.
fn batch(operations: u32, body: &mut impl FnMut()) -> u64 {
    let begin = counter();
    for _ in 0..operations {
        body();
    }
    (counter() - begin) * 1000 / u64::from(operations)
}

/// The fastest of many batches, less reading the counter.
fn fastest(operations: u32, mut body: impl FnMut()) -> u64 {
    let best = (0..BATCHES).fold(u64::MAX, |best, _| best.min(batch(operations, &mut body)));
    best.saturating_sub(reading() * 1000 / u64::from(operations))
}

/// What a tenth of the samples that `sample` takes do not exceed, less reading the counter.
fn tenth(mut sample: impl FnMut() -> u64) -> u64 {
    let mut samples = [0; BATCHES];
    samples.fill_with(&mut sample);
    samples.sort_unstable();
    samples[BATCHES / 10].saturating_sub(reading() * 1000)
}

/// The lower half of the counter when the handler ran. Times are short, so their difference fits.
static HANDLED: AtomicU32 = AtomicU32::new(0);

fn on_line(_line: Line) {
    HANDLED.store(counter() as u32, Ordering::Relaxed);
}

fn on_timer(_timer: Timer, _expirations: u64) {
    HANDLED.store(counter() as u32, Ordering::Relaxed);
}

/// Thousandths of a cycle from `then` to when the handler ran.
fn until_handler(then: u64) -> u64 {
    u64::from(HANDLED.load(Ordering::Relaxed).wrapping_sub(then as u32)) * 1000
}

fn raise() -> u64 {
    let begin = counter();
    LINE.raise().expect("the line exists");
    until_handler(begin)
}

/// From when a timer was due to when its handler ran; the guest idles meanwhile. `rate` in kHz.
fn expiration(timer: Timer, rate: u64) -> u64 {
    let before = timer.expirations();
    let begin = counter();
    timer.start_ns(AHEAD, 0).expect("a time in range");
    cpu::idle_until(|_| timer.expirations() != before);
    until_handler(begin + AHEAD * rate / 1_000_000)
}

/// Rate of the counter in kHz.
fn rate() -> u64 {
    let (ns, cycles) = (now(), counter());
    while now() - ns < 100_000_000 {}
    (counter() - cycles) * 1_000_000 / (now() - ns)
}

fn main() -> i32 {
    external::bind(GUEST_CALL.as_slice()).expect("the same prototype");
    let timer = Timer::new(1).expect("there are 8 timers");
    LINE.attach(&on_line).expect("a free line");
    timer.attach(&on_timer).expect("nobody else uses it");
    let rate = rate();
    let results = [
        ("direct_call", fastest(1000, direct_call)),
        ("thunk_call", fastest(1000, thunk_call)),
        ("pv_irq_mask", fastest(500, mask)),
        ("pv_clock_now", fastest(500, host_clock)),
        ("console_byte", fastest(4, console_byte)),
        ("clock_now", fastest(1000, guest_clock)),
        ("stores", fastest(1000, stores)),
        ("interrupts_off_on", fastest(1000, interrupts_off_on)),
        ("raise_to_handler", tenth(raise)),
        ("timer_to_handler", tenth(|| expiration(timer, rate))),
    ];
    console::write(b"\n").expect("the console takes it");
    println!("counter_khz {rate}");
    for (name, millicycles) in results {
        println!("{name} {} {millicycles}", millicycles * 1_000_000 / rate);
    }
    0
}
