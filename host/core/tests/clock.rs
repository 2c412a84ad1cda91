// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time against a model of a machine whose counter and clock drift apart.

use paravirt_host_core::clock::{Anchor, Sample};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Between samples.
const PERIOD: u64 = 50_000_000;

/// A machine with a guest on it that reads its clock all the time.
struct Machine {
    /// The clock in ns.
    clock: u64,
    /// In thousandths of a cycle.
    counter: u128,
    /// Cycles in 1000 ns.
    rate: u64,
    /// From the clock's reading to the counter's and on to the next of the clock's, in ns.
    delays: (u64, u64),
    anchor: Anchor,
    /// The last that the guest has read.
    read: u64,
    /// Whether the guest may read less than before until the next sample: the counter was set back.
    set_back: bool,
}

impl Machine {
    fn new(rate: u64) -> Self {
        let mut machine = Self {
            clock: 7 * SECOND,
            counter: 1 << 50,
            rate,
            delays: (40, 60),
            anchor: Anchor::new(Sample {
                counter: 0,
                before: 0,
                after: 0,
            }),
            read: 0,
            set_back: false,
        };
        machine.anchor = Anchor::new(machine.take());
        machine
    }

    /// Time passes for counter and clock.
    fn pass(&mut self, ns: u64) {
        self.clock += ns;
        self.counter += u128::from(ns) * u128::from(self.rate);
    }

    /// The clock stands, as in a machine that is suspended, and the counter does not.
    fn suspend(&mut self, ns: u64) {
        self.counter += u128::from(ns) * u128::from(self.rate);
    }

    /// The counter stands, and the clock does not.
    fn halt(&mut self, ns: u64) {
        self.clock += ns;
    }

    /// The counter begins anew.
    fn reset(&mut self) {
        self.counter = 0;
        self.set_back = true;
    }

    fn counter(&self) -> u64 {
        (self.counter / 1000) as u64
    }

    fn take(&mut self) -> Sample {
        let before = self.clock;
        self.pass(self.delays.0);
        let counter = self.counter();
        self.pass(self.delays.1);
        Sample {
            counter,
            before,
            after: self.clock,
        }
    }

    /// The guest's time now.
    fn guest(&self) -> u64 {
        match self.anchor.fields() {
            Some(fields) => fields.at(self.counter()),
            None => self.anchor.time(self.clock),
        }
    }

    /// The guest reads its clock, which must not be behind what it has read.
    fn look(&mut self) {
        let time = self.guest();
        if !self.set_back {
            assert!(time >= self.read, "{time} after {}", self.read);
        }
        self.read = self.read.max(time);
    }

    /// The time of a period passes, and a sample is taken.
    fn sample_after(&mut self, ns: u64) {
        for _ in 0..10 {
            self.pass(ns / 10);
            self.look();
        }
        // Who takes samples has interrupted the guest.
        let sample = self.take();
        self.anchor.sample(sample);
        self.set_back = false;
        self.look();
    }

    /// Goes on for at least `ns`, by the periods that are promised.
    fn go_on(&mut self, ns: u64) {
        let mut passed = 0;
        while passed < ns {
            let pause = self.anchor.pause();
            self.sample_after(pause);
            passed += pause;
        }
    }
}

/// Nothing more than what the two readings of a sample leave open, and what is lost by rounding.
const CLOSE: u64 = 2_000;

fn started(rate: u64) -> Machine {
    let mut machine = Machine::new(rate);
    machine.go_on(SECOND / 50);
    assert!(machine.anchor.fields().is_some(), "known after 20 ms");
    machine.go_on(3 * SECOND);
    assert_eq!(machine.anchor.pause(), PERIOD);
    machine
}

/// For the machine's offset, which is negative.
fn moved(machine: &Machine, before: i64) -> i64 {
    machine.guest() as i64 - machine.clock as i64 - before
}

fn lead(machine: &Machine) -> i64 {
    machine.guest() as i64 - machine.clock as i64
}

/// Over a second from now, guest time runs as the clock does.
fn runs_right(machine: &mut Machine) {
    runs_to_within(machine, CLOSE);
}

fn runs_to_within(machine: &mut Machine, close: u64) {
    let before = lead(machine);
    for _ in 0..20 {
        machine.sample_after(PERIOD);
        let off = moved(machine, before);
        assert!(off.unsigned_abs() < close, "off by {off} ns");
    }
}

#[test]
fn guest_time_is_the_clock_s() {
    for rate in [90, 1000, 2494, 3000, 5700] {
        let mut machine = started(rate);
        assert!(machine.anchor.fields().is_some(), "{rate}");
        assert!(lead(&machine) + 7 * (SECOND as i64) < CLOSE as i64, "{rate}");
        runs_right(&mut machine);
        assert_eq!(machine.anchor.steps().count, 0, "{rate}");
    }
}

#[test]
fn the_step_of_a_machine_that_was_suspended_is_kept_and_the_rate_right_within_a_second() {
    for hours in [1, 8, 1000] {
        let mut machine = started(3000);
        let before = lead(&machine);
        machine.suspend(hours * HOUR);
        machine.look();
        machine.go_on(SECOND);
        let step = moved(&machine, before) as u64;
        // What the rate was wrong by adds up.
        let rounding = hours * HOUR / 1_000_000;
        assert!(step.abs_diff(hours * HOUR) < CLOSE + rounding, "{hours} h: {step} ns");
        runs_right(&mut machine);
        let steps = machine.anchor.steps();
        assert_eq!(steps.count, 1, "{hours} h");
        assert!(steps.ns.abs_diff(step) < CLOSE, "{hours} h: {steps:?}");
    }
}

#[test]
fn a_counter_that_stood_leaves_guest_time_with_the_clock() {
    let mut machine = started(3000);
    let before = lead(&machine);
    machine.halt(8 * HOUR);
    machine.look();
    machine.go_on(SECOND);
    assert!(moved(&machine, before).unsigned_abs() < CLOSE);
    runs_right(&mut machine);
    let steps = machine.anchor.steps();
    assert_eq!(steps.count, 1);
    assert!(steps.ns.abs_diff(8 * HOUR) < PERIOD, "{steps:?}");
}

#[test]
fn a_counter_that_begins_anew_leaves_guest_time_with_the_clock() {
    for (suspended, halted) in [(0, 0), (0, HOUR), (HOUR, 0)] {
        let mut machine = started(3000);
        machine.pass(PERIOD / 2);
        machine.look();
        let before = lead(&machine);
        machine.suspend(suspended);
        machine.halt(halted);
        machine.reset();
        machine.go_on(SECOND);
        assert!(moved(&machine, before).unsigned_abs() < 2 * CLOSE);
        runs_right(&mut machine);
    }
}

#[test]
fn guest_time_that_is_ahead_of_a_counter_that_begins_anew_does_not_step_back() {
    let mut machine = started(3000);
    // Less than what is kept.
    machine.suspend(SECOND / 250);
    machine.sample_after(PERIOD);
    machine.pass(PERIOD / 5);
    machine.look();
    let read = machine.read;
    machine.reset();
    machine.sample_after(0);
    assert!(machine.guest() >= read, "{} after {read}", machine.guest());
    machine.go_on(SECOND);
    runs_right(&mut machine);
}

#[test]
fn another_rate_is_right_within_a_second() {
    for (old, new) in [(3000, 3003), (3000, 2000), (1000, 4000), (3000, 100)] {
        let mut machine = started(old);
        machine.rate = new;
        machine.go_on(SECOND);
        assert!(machine.anchor.fields().is_some(), "{old} {new}");
        runs_right(&mut machine);
    }
}

#[test]
fn a_process_that_was_stopped_has_no_step() {
    let mut machine = started(3000);
    machine.sample_after(8 * HOUR);
    machine.go_on(SECOND);
    runs_right(&mut machine);
    let steps = machine.anchor.steps();
    assert!(steps.ns < 8 * HOUR / 100_000, "{steps:?}");
}

#[test]
fn a_reading_that_was_interrupted_makes_no_step() {
    let mut machine = started(3000);
    let before = lead(&machine);
    for delays in [(200_000_000, 0), (0, 200_000_000), (30_000_000, 1)] {
        machine.delays = delays;
        machine.sample_after(PERIOD);
        machine.delays = (40, 60);
        runs_right(&mut machine);
    }
    assert!(moved(&machine, before).unsigned_abs() < CLOSE);
    assert_eq!(machine.anchor.steps().count, 0);
}

#[test]
fn a_counter_that_never_agrees_is_given_up() {
    let mut machine = started(3000);
    for round in 0..100 {
        machine.rate = [1000, 1700, 3000][round % 3];
        machine.sample_after(PERIOD);
    }
    assert_eq!(machine.anchor.fields(), None);
    runs_right(&mut machine);
}

#[test]
fn a_counter_that_stands_is_not_used() {
    let mut machine = Machine::new(0);
    machine.go_on(SECOND);
    assert_eq!(machine.anchor.fields(), None);
    assert_eq!(machine.anchor.steps().count, 0);
}

#[derive(Clone, Debug)]
enum Event {
    Sample { after: u64, delays: (u64, u64) },
    Suspend(u64),
    Halt(u64),
    Reset,
    Rate(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let span = prop_oneof![0..PERIOD, 0..10 * SECOND, 0..100 * HOUR];
    prop_oneof![
        8 => (0..2 * PERIOD, (0_u64..5_000, 0_u64..5_000))
            .prop_map(|(after, delays)| Event::Sample { after, delays }),
        1 => (span.clone(), (0..SECOND, 0..SECOND))
            .prop_map(|(after, delays)| Event::Sample { after, delays }),
        1 => span.clone().prop_map(Event::Suspend),
        1 => span.prop_map(Event::Halt),
        1 => Just(Event::Reset),
        1 => (100_u64..6_000).prop_map(Event::Rate),
    ]
}

proptest! {
    /// Whatever happens, guest time never steps back, and a second later it runs as the clock does.
    #[test]
    fn guest_time_never_steps_back(
        rate in 100_u64..6_000,
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut machine = Machine::new(rate);
        for event in events {
            match event {
                Event::Sample { after, delays } => {
                    machine.delays = delays;
                    machine.sample_after(after);
                }
                Event::Suspend(ns) => machine.suspend(ns),
                Event::Halt(ns) => machine.halt(ns),
                Event::Reset => {
                    // What the guest has read since the last sample nobody knows.
                    machine.delays = (0, 0);
                    machine.sample_after(0);
                    machine.reset();
                }
                Event::Rate(rate) => machine.rate = rate,
            }
            machine.look();
        }
        machine.delays = (40, 60);
        machine.go_on(SECOND);
        // A rate that is nearly right is found out within two seconds.
        runs_to_within(&mut machine, PERIOD / 1000);
    }
}
