// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line raised at every instruction of the paths on which it could be lost.
//!
//! The guest `walk` walks a path again and again under single step. Each round, the line is raised at one instruction
//! at which it has not been raised before, until a round finds none; then at pairs of instructions. Between the raises
//! nothing interrupts the guest, so it is the guest's own tests, and the tail of the host's gates, that must find what
//! came while interrupts were off.

mod judge;
mod plan;
mod waker;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use paravirt_abi::line::FIRST_FREE;
use pvhost::image::Image;
use pvhost::process::{Call, GuestConstPtr, GuestUsize, Step};

use crate::guest::{self, Arch};
use judge::{Report, Round};
use plan::Plan;
pub use plan::{Effort, Key};
use waker::Waker;

/// The line that is raised at chosen instructions.
const LINE: u32 = FIRST_FREE;

/// The guest's paths, by number.
pub const PATHS: [&str; 6] = [
    "enable",
    "enable with another line pending",
    "upcall with a nested one, and return",
    "idle",
    "mask and unmask",
    "mask in the line's own handler and unmask",
];
/// Number of the path through an upcall.
const UPCALL: u32 = 2;
/// Number of the path that sleeps.
const IDLE: u32 = 3;
/// Number of the path that masks the line.
const MASK: u32 = 4;
/// Number of the path that masks it in its own handler, and raises it for that.
const MASK_IN_HANDLER: u32 = 5;

/// Addresses that tell where the guest is.
#[derive(Clone, Debug)]
pub struct Places {
    /// The upcall entry, to its last instruction.
    upcall: std::ops::Range<u64>,
    /// The window at its end, in which interrupts are on and a frame is still on the stack.
    window: std::ops::Range<u64>,
    /// Thunk of `pv_cpu_idle`, and its slot, which leads to the host's stub.
    idle: u64,
    idle_slot: u64,
    /// Thunk of `walk_end`, the end of every path.
    end: u64,
    image: Vec<std::ops::Range<u64>>,
}

impl Places {
    fn new(image: &Image) -> Self {
        let symbol = |name| image.symbols().address_of(name).expect(name);
        let window = symbol("__paravirt_upcall_window")..symbol("__paravirt_upcall_window_end");
        // A short jump follows.
        let upcall = symbol("__paravirt_upcall")..window.end + 2;
        Self {
            upcall,
            window,
            idle: symbol("pv_cpu_idle"),
            idle_slot: image
                .externals()
                .iter()
                .find(|external| external.name == "pv_cpu_idle")
                .map(|external| external.slot)
                .expect("the guest idles"),
            end: symbol("walk_end"),
            image: image
                .segments()
                .iter()
                .map(|segment| segment.address..segment.end())
                .collect(),
        }
    }

    /// Returns whether the instruction belongs to the host's stubs, landings and tails in low memory.
    fn is_low(&self, address: u64) -> bool {
        u32::try_from(address).is_ok() && !self.image.iter().any(|range| range.contains(&address))
    }

    /// Returns whether the instruction is the guest's, not in its upcall entry, and before the end of a path.
    fn is_plain(&self, address: u64) -> bool {
        address != self.end
            && !self.upcall.contains(&address)
            && self.image.iter().any(|range| range.contains(&address))
    }

    /// Returns whether the instruction belongs to a gate.
    fn is_gate(address: u64) -> bool {
        u32::try_from(address).is_err()
    }
}

/// What has been done on a path.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rounds walked.
    pub rounds: u64,
    /// Raises.
    pub raises: u64,
    /// Those that came while no interrupt could be delivered.
    pub raises_while_off: u64,
    /// Instructions at which the line was raised, by address.
    pub instructions: BTreeSet<u64>,
}

/// The walk, shared by the host functions and the stepper: all run on one thread, and the stepper only between
/// instructions of the guest or of a gate, never in a host function.
struct Walk {
    places: Places,
    effort: Effort,
    plan: Plan,
    /// The plan as it was before the round.
    plan_before: Plan,
    /// Whether the round is walked for the second time.
    again: bool,
    tallies: Vec<Tally>,
    round: Option<Round>,
    /// Whether the round has not ended yet.
    raising: bool,
    waker: Arc<Waker>,
    /// Stub of `pv_cpu_idle`.
    idle_stub: u64,
    failures: Vec<String>,
}

impl Walk {
    fn begin(&mut self, call: &Call, path: u32, calls: u64) -> bool {
        // Linked below 4 GiB and little-endian: the lower half is all of it.
        self.idle_stub = judge::read_word(call.memory(), self.places.idle_slot).into();
        if self.tallies.len() <= path as usize {
            self.tallies.push(Tally::default());
            self.plan = Plan::new(self.effort.on(path));
        }
        self.plan_before = self.plan.clone();
        if !self.plan.begin_round(&self.places) {
            return false;
        }
        self.round = Some(Round::new(calls, path));
        self.raising = true;
        self.waker.set_watching(path == IDLE);
        true
    }

    fn step(&mut self, step: &mut Step<'_>) {
        let Some(round) = &mut self.round else {
            return;
        };
        self.waker.count_step();
        let address = step.instruction();
        round.check_step(address, &self.places);
        round.check_handled(step.memory());
        if !self.raising {
            return;
        }
        if address == self.places.end {
            round.check_delivered(step.memory());
        }
        let key = round.visit(address);
        let interruptible = step.interruptible();
        if self.plan.wants(key, interruptible, round.raises(), &self.places) {
            let tally = self.tallies.last_mut().expect("a round has begun");
            tally.raises += 1;
            tally.raises_while_off += u64::from(!interruptible);
            tally.instructions.insert(address);
            if !interruptible && self.places.is_plain(address) {
                round.expect_no_sleep();
            }
            round.raise(step);
        }
    }

    fn end(&mut self) {
        self.raising = false;
        self.waker.set_watching(false);
        if let Some(round) = &mut self.round {
            round.check_sleep();
        }
    }

    fn report(&mut self, report: Report) {
        let path = self.tallies.len() - 1;
        self.tallies[path].rounds += 1;
        let Some(mut round) = self.round.take() else {
            return;
        };
        self.plan.end_round(report.lowest);
        let slept = round.take_slept();
        // What the guest does under single step, it does each time: a sleep that does not come again was Linux's.
        let once = slept.is_some() && !self.again;
        self.again = once;
        let problems = round.judge(report).into_iter();
        let problems = problems.chain(self.plan.take_problem());
        let problems = problems.chain(slept.filter(|_| !once));
        self.failures
            .extend(problems.map(|problem| format!("{}: {problem}", PATHS[path])));
        if once {
            self.plan = self.plan_before.clone();
        }
    }
}

/// Walks all paths.
///
/// # Panics
/// If a raise was lost, came twice or too early, or if the walk did not meet the instructions that it is about.
#[must_use]
pub fn walk(arch: Arch, effort: Effort) -> Vec<Tally> {
    let image = guest::open(arch, "walk");
    let places = Places::new(&image);
    let waker = Arc::new(Waker::default());
    let walk = Rc::new(RefCell::new(Walk {
        places: places.clone(),
        effort,
        plan: Plan::new(effort.on(0)),
        plan_before: Plan::new(effort.on(0)),
        again: false,
        tallies: Vec::new(),
        round: None,
        raising: false,
        waker: Arc::clone(&waker),
        idle_stub: 0,
        failures: Vec::new(),
    }));
    let [begin, end, report, step] = [(); 4].map(|()| Rc::clone(&walk));
    let watch = waker::start(&waker);
    guest::run(image, effort.limit(), |builder| {
        builder
            .provide(
                "walk_begin",
                move |call: &mut Call, path: u32, calls: GuestConstPtr<u32>| {
                    waker.set_line(call.line(LINE + 1).expect("the line exists"));
                    u32::from(begin.borrow_mut().begin(call, path, calls.address()))
                },
            )
            .provide("walk_end", move |_: &mut Call| end.borrow_mut().end())
            .provide(
                "walk_report",
                move |_: &mut Call, calls: u32, early: u32, lowest: GuestUsize| {
                    report.borrow_mut().report(Report {
                        calls,
                        early,
                        lowest: lowest.0,
                    });
                },
            )
            .on_step(move |next| step.borrow_mut().step(next))
    });
    drop(watch);
    let walk = walk.borrow();
    for (name, tally) in PATHS.iter().zip(&walk.tallies) {
        println!(
            "{arch}, {name}: {} rounds, {} raises ({} while off) at {} instructions",
            tally.rounds,
            tally.raises,
            tally.raises_while_off,
            tally.instructions.len()
        );
    }
    assert!(
        walk.failures.is_empty(),
        "{arch}: {} wrong, first {:#?}",
        walk.failures.len(),
        &walk.failures[..walk.failures.len().min(10)]
    );
    check_coverage(&walk.tallies, &places, walk.idle_stub);
    walk.tallies.clone()
}

/// Returns whether the walk met what it is about.
fn check_coverage(tallies: &[Tally], places: &Places, idle_stub: u64) {
    assert_eq!(tallies.len(), PATHS.len(), "every path was walked");
    for (name, tally) in PATHS.iter().zip(tallies) {
        assert!(tally.raises_while_off > 0, "{name}: never raised while off");
        let low = tally.instructions.iter().filter(|&&at| places.is_low(at));
        assert!(low.count() > 0, "{name}: no tail");
        let gate = tally.instructions.iter().filter(|&&at| Places::is_gate(at));
        assert!(gate.count() > 0, "{name}: no gate");
    }
    // cmp, jne, iret, and the store that turns interrupts off again.
    let window = tallies[UPCALL as usize].instructions.range(places.window.clone());
    assert_eq!(window.count(), 4, "instructions of the window");
    let idle = &tallies[IDLE as usize].instructions;
    assert!(idle.contains(&places.idle), "the thunk of idle");
    assert!(idle.contains(&idle_stub), "the stub of idle");
}
