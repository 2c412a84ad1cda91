// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line raised at every instruction of the enable, return and idle paths: none lost, none delivered while off.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use paravirt_abi::line::FIRST_FREE;
use pvhost::process::{Call, Exit, LineHandle};

use super::guests::{each, output, place, read_back, vm};

/// One path of the guest, walked again and again.
#[derive(Default)]
struct Walk {
    path: Cell<Option<u32>>,
    /// Instruction of the round at which the line is raised.
    turn: Cell<u64>,
    /// Whether the last round was too short for its turn.
    done: Cell<bool>,
}

/// The round under way, shared with the thread that wakes a guest which sleeps with nothing to come.
#[derive(Default)]
struct Round {
    active: Mutex<bool>,
    /// Instructions so far.
    steps: AtomicU64,
    raised: AtomicU64,
    injected: AtomicBool,
}

#[test]
fn a_line_raised_at_any_instruction_is_delivered_once() {
    let _place = place();
    for (arch, guest) in each("step") {
        let (console, written) = output();
        let walk = Rc::new(Walk::default());
        let round = Arc::new(Round::default());
        let vm = vm(&guest, console)
            .provide("step_begin", {
                let (walk, round) = (Rc::clone(&walk), Arc::clone(&round));
                move |_: &mut Call, path: u32| u32::from(begin(&walk, &round, path))
            })
            .provide("step_end", {
                let (walk, round) = (Rc::clone(&walk), Arc::clone(&round));
                move |_: &mut Call| end(&walk, &round)
            })
            .on_step({
                let (walk, round) = (Rc::clone(&walk), Arc::clone(&round));
                move |step| {
                    if round.steps.fetch_add(1, Ordering::SeqCst) == walk.turn.get()
                        && !round.injected.swap(true, Ordering::SeqCst)
                    {
                        round.raised.fetch_add(1, Ordering::SeqCst);
                        step.raise(FIRST_FREE).expect("the line exists");
                    }
                }
            })
            .build()
            .expect("a guest for this host");
        let line = vm.line(FIRST_FREE).expect("the line exists");
        let stop = Arc::new(AtomicBool::new(false));
        let waker = thread::spawn({
            let (round, stop) = (Arc::clone(&round), Arc::clone(&stop));
            move || wake(&round, &stop, &line)
        });
        let finished = vm.run().expect("the guest runs");
        stop.store(true, Ordering::SeqCst);
        waker.join().expect("the waker ends");
        let written = read_back(written);
        println!("{arch}:\n{written}");
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{arch}: {:?}\n{written}",
            finished.exit
        );
        let rounds: u32 = written
            .lines()
            .filter_map(|line| {
                line.split(": ")
                    .nth(1)?
                    .split(' ')
                    .next()?
                    .parse::<u32>()
                    .ok()
            })
            .sum();
        assert!(
            rounds > 200,
            "{arch}: the paths have more instructions than that"
        );
    }
}

fn begin(walk: &Walk, round: &Round, path: u32) -> bool {
    if walk.path.replace(Some(path)) != Some(path) {
        walk.turn.set(0);
        walk.done.set(false);
    }
    if walk.done.get() {
        return false;
    }
    let mut active = round.active.lock().expect("no thread panicked");
    round.steps.store(0, Ordering::SeqCst);
    round.raised.store(0, Ordering::SeqCst);
    round.injected.store(false, Ordering::SeqCst);
    *active = true;
    true
}

fn end(walk: &Walk, round: &Round) -> u32 {
    let mut active = round.active.lock().expect("no thread panicked");
    *active = false;
    // A wake-up that was sent before is delivered by this call into the kernel at the latest.
    thread::yield_now();
    walk.turn.set(walk.turn.get() + 1);
    walk.done.set(!round.injected.swap(true, Ordering::SeqCst));
    round.raised.load(Ordering::SeqCst) as u32
}

/// Raises the line when a round has stood still for a while.
fn wake(round: &Round, stop: &AtomicBool, line: &LineHandle) {
    let mut before = 0;
    while !stop.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
        let active = round.active.lock().expect("no thread panicked");
        let steps = round.steps.load(Ordering::SeqCst);
        if *active && steps == before {
            round.raised.fetch_add(1, Ordering::SeqCst);
            line.raise();
        }
        before = steps;
    }
}
