// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets the timer interrupt the paths on which an interrupt could be lost, come too early or leave its frame on the
//! stack, at one instruction after the other.
//!
//! To be run where time is the number of instructions (QEMU's `-icount`): then each round's waiting loop decides at
//! which instruction of the path the interrupt comes. Argument: rounds for each path.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::backend::entry;
use paravirt_bsp::clock::Instant;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [bare] }

/// A line that the paths raise themselves.
const OTHER: Line = Line::new(FIRST_FREE).expect("a free line");
/// Time from the start of the timer to its interrupt, in ns: longer than what comes before the path.
const DELAY: u64 = 20_000;
/// Time from the first interrupt to the second, in ns: how long an upcall takes, with some turns of its handler's loop.
const SECOND: u64 = 32_000;
/// Time after which an interrupt that has not come is lost, in ns.
const TIME_LIMIT: u64 = 10_000_000;
/// Time of an instruction, in ns.
const INSTRUCTION: u64 = 16;
/// Instructions from the start of the timer to that of a path that are told apart.
const INSTANTS: usize = 2048;
/// The path at which interrupts came at fewer instructions was not walked.
const FEWEST: u32 = 20;
/// Turns of the loops that put an instruction in the interrupt's way.
const TURNS: u32 = 700;
/// Most stack that a handler may find taken up, in bytes: what the path has on the stack, and one upcall.
const STACK: usize = 1200;
/// Less than the smallest frame, in bytes.
const LESS_THAN_A_FRAME: usize = 8;

static CALLS: AtomicU32 = AtomicU32::new(0);
/// Turns of a loop that the handler makes.
static SPIN: AtomicU32 = AtomicU32::new(0);
/// Whether the round's number is even.
static EVEN: AtomicBool = AtomicBool::new(false);
/// When the handler was called last.
static AT: AtomicU64 = AtomicU64::new(0);
static OTHER_CALLS: AtomicU32 = AtomicU32::new(0);
/// Whether no handler may run, and how often one did.
static OFF: AtomicBool = AtomicBool::new(false);
static EARLY: AtomicU32 = AtomicU32::new(0);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

fn now() -> u64 {
    Instant::now().as_nanos()
}

fn note_call() {
    let here = 0_u8;
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
}

fn tick(_timer: Timer, _expirations: u64) {
    AT.store(now(), Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Relaxed);
    note_call();
    spin(SPIN.load(Ordering::Relaxed));
    if EVEN.load(Ordering::Relaxed) {
        one_more();
    }
}

/// Turns interrupts on, so that the timer's handler nests in it.
fn nest(_line: Line) {
    OTHER_CALLS.fetch_add(1, Ordering::Relaxed);
    note_call();
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
}

fn raise_other() {
    OTHER.raise().expect("the line exists");
}

/// Runs `body` with interrupts off, when no handler may run.
fn off(body: impl FnOnce()) {
    cpu::disable_interrupts();
    OFF.store(true, Ordering::SeqCst);
    body();
    OFF.store(false, Ordering::SeqCst);
    // SAFETY: no critical section is open.
    unsafe { cpu::enable_interrupts() };
}

/// As idle with interrupts off, but for an instruction in between: an interrupt may come before `hlt`, as some emulated
/// hypervisors let it.
fn idle_unprotected() {
    // SAFETY: changes the processor's flag, which is closed in the end, as it is noted.
    unsafe { asm!("cli", options(nostack)) };
    while CALLS.load(Ordering::Relaxed) == 0 && !entry::is_pending() {
        // SAFETY: as above.
        unsafe { asm!("sti", "nop", "hlt", "cli", options(nostack)) };
    }
    entry::mark_host_closed();
}

/// A way on which the timer interrupts.
struct Path {
    name: &'static str,
    run: fn(),
    /// How often it raises the other line.
    raises: u32,
    /// How many timers interrupt: the second one when the handler of the first is at its end.
    timers: u32,
}

const PATHS: [Path; 6] = [
    Path {
        name: "off and on",
        run: || off(|| {}),
        raises: 0,
        timers: 1,
    },
    Path {
        name: "off and on with a line pending",
        run: || off(raise_other),
        raises: 1,
        timers: 1,
    },
    Path {
        name: "a handler, and one in it",
        run: raise_other,
        raises: 1,
        timers: 1,
    },
    Path {
        name: "idle",
        run: || cpu::idle_until(|_| CALLS.load(Ordering::Relaxed) > 0),
        raises: 0,
        timers: 1,
    },
    Path {
        name: "idle where `sti` takes effect at once",
        run: || off(idle_unprotected),
        raises: 0,
        timers: 1,
    },
    Path {
        name: "the end of an upcall",
        run: || {
            while CALLS.load(Ordering::Relaxed) == 0 {
                core::hint::spin_loop();
            }
        },
        raises: 0,
        timers: 2,
    },
];

/// What rounds on a path came to.
#[derive(Default)]
struct Tally {
    /// Rounds in which a handler was not called as often as it should be.
    lost: u32,
    /// Bit n: a path that began n instructions after the start of the timer was interrupted.
    seen: Instants,
}

struct Instants([u64; INSTANTS / 64]);

impl Default for Instants {
    fn default() -> Self {
        Self([0; INSTANTS / 64])
    }
}

impl Instants {
    fn add(&mut self, ns: u64) {
        let instruction = (ns / INSTRUCTION) as usize;
        if let Some(word) = self.0.get_mut(instruction / 64) {
            *word |= 1 << (instruction % 64);
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

fn main() -> i32 {
    let rounds: u32 = start::arguments()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1000);
    let timers = [1, 2].map(|number| Timer::new(number).expect("there are 8 timers"));
    for timer in &timers {
        timer.attach(&tick).expect("nobody else uses it");
    }
    OTHER.attach(&nest).expect("a free line");
    let mut wrong = 0;
    // Stack that one upcall takes up, from the first path.
    let mut one = STACK;
    for path in PATHS {
        EARLY.store(0, Ordering::Relaxed);
        LOWEST.store(usize::MAX, Ordering::Relaxed);
        let here = 0_u8;
        let mut tally = Tally::default();
        for round in 0..rounds {
            walk(&path, round, &timers, &mut tally);
        }
        let Tally { lost, seen } = tally;
        let early = EARLY.load(Ordering::Relaxed);
        let deepest = (&raw const here as usize).saturating_sub(LOWEST.load(Ordering::Relaxed));
        println!(
            "{}: {rounds} rounds, {lost} lost, {early} early, {deepest} bytes of stack",
            path.name
        );
        wrong += lost + early + u32::from(deepest > STACK);
        if path.timers == 1 {
            println!("  interrupted at {} instructions", seen.count());
            wrong += u32::from(seen.count() < FEWEST);
        } else {
            // A second upcall at the end of the first must not leave a frame below it.
            wrong += u32::from(deepest > one + LESS_THAN_A_FRAME);
        }
        one = one.min(deepest);
    }
    i32::from(wrong != 0)
}

#[inline(never)]
fn walk(path: &Path, round: u32, timers: &[Timer; 2], tally: &mut Tally) {
    CALLS.store(0, Ordering::Relaxed);
    OTHER_CALLS.store(0, Ordering::Relaxed);
    EVEN.store(round.is_multiple_of(2), Ordering::Relaxed);
    if path.timers == 2 {
        // The handler of the first ends a little later in each round.
        SPIN.store(round / 2 % TURNS, Ordering::Relaxed);
        timers[1].start_ns(DELAY + SECOND, 0).expect("a time in range");
    }
    let begin = now();
    timers[0].start_ns(DELAY, 0).expect("a time in range");
    // Each round begins its path a little later, until the interrupt comes before the path.
    while now() - begin < DELAY / 2 {}
    spin(round / 2 % TURNS);
    if round.is_multiple_of(2) {
        one_more();
    }
    let path_begin = now();
    (path.run)();
    let path_end = now();
    while CALLS.load(Ordering::Relaxed) < path.timers && now() - begin < TIME_LIMIT {
        core::hint::spin_loop();
    }
    if (path_begin..path_end).contains(&AT.load(Ordering::Relaxed)) {
        // The timer runs for the same time in each round, so other beginnings mean other instructions.
        tally.seen.add(path_begin - begin);
    }
    SPIN.store(0, Ordering::Relaxed);
    tally.lost +=
        u32::from(CALLS.load(Ordering::Relaxed) != path.timers || OTHER_CALLS.load(Ordering::Relaxed) != path.raises);
}

/// An instruction, because the loop below has more than one.
fn one_more() {
    // SAFETY: does nothing.
    unsafe { asm!("nop", options(nomem, nostack, preserves_flags)) };
}

fn spin(turns: u32) {
    for _ in 0..turns {
        black_box(());
    }
}
