// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers against a model that knows for each start only when it was, and against an alarm that comes at any moment.

use std::cell::{Cell, RefCell};

use paravirt_abi::error::Error;
use paravirt_abi::line::TIMERS;
use paravirt_vcpu::timers::{Alarm, NEVER, SHORTEST_PERIOD, Timers};
use proptest::prelude::*;

/// Times from here on do not come.
const END: u64 = 1 << 63;

/// A clock with one alarm, which goes on by itself as often as it is asked.
#[derive(Default)]
struct Machine {
    timers: Timers,
    now: Cell<u64>,
    /// What passes at the next calls of the clock and the alarm, in ns, and whether an alarm that is due comes then;
    /// the last one first. Then nothing does.
    steps: RefCell<Vec<(u64, bool)>>,
    alarm: Cell<Option<u64>>,
    /// How often the alarm has come.
    rings: Cell<u32>,
    counts: [Cell<u64>; TIMERS as usize],
}

impl Machine {
    /// Lets time pass, and the alarm come if it is due, or be late.
    fn pass(&self, ns: u64, rings: bool) {
        self.now.set(self.now.get() + ns);
        if rings {
            self.ring();
        }
    }

    fn ring(&self) {
        if self.alarm.get().is_some_and(|alarm| alarm <= self.now.get()) {
            self.alarm.set(None);
            self.rings.set(self.rings.get() + 1);
            assert!(self.rings.get() < 10_000, "an alarm without end");
            self.timers.expire(self);
        }
    }

    fn step(&self) {
        let step = self.steps.borrow_mut().pop();
        let (ns, rings) = step.unwrap_or_default();
        self.pass(ns, rings);
    }

    fn start(&self, number: u32, first: u64, period: u64) -> Result<(), Error> {
        self.timers.start(self, number, first, period)
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(Cell::get).collect()
    }
}

impl Alarm for Machine {
    fn now(&self) -> u64 {
        self.step();
        let now = self.now.get();
        // Between the reading and its use.
        self.step();
        now
    }

    fn set(&self, deadline: u64) {
        assert!(deadline < END || deadline == NEVER);
        self.step();
        self.alarm.set((deadline != NEVER).then_some(deadline));
        self.step();
    }

    fn count(&self, timer: u32, due: u64, expirations: u64) {
        assert_ne!(expirations, 0);
        assert!(due <= self.now.get(), "it expires before it is due");
        let counter = &self.counts[timer as usize];
        counter.set(counter.get() + expirations);
        self.step();
    }
}

/// A start as the model remembers it.
#[derive(Clone, Copy)]
struct Start {
    at: u64,
    first: u64,
    period: u64,
}

impl Start {
    /// How often it has expired until `now`.
    fn expirations(self, now: u64) -> u64 {
        let first = u128::from(self.at) + u128::from(self.first);
        match u128::from(now).checked_sub(first) {
            None => 0,
            Some(_) if self.period == 0 => 1,
            Some(passed) => (passed / u128::from(self.period)) as u64 + 1,
        }
    }

    /// When it expires next after `now`; `None`: not before the end of time.
    fn next(self, now: u64) -> Option<u64> {
        let expirations = self.expirations(now);
        if expirations > 0 && self.period == 0 {
            return None;
        }
        let next = u128::from(self.at) + u128::from(self.first) + u128::from(expirations) * u128::from(self.period);
        (next < u128::from(END)).then_some(next as u64)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start {
        number: u32,
        first: u64,
        period: u64,
    },
    Stop(u32),
    /// Time passes, and nobody looks.
    Sleep(u64),
    /// The alarm comes, in time or not.
    Alarm,
}

/// Short times, long ones, and those at the ends of what numbers hold.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..100_000_u64,
        2 => 0..10_000_000_000_u64,
        1 => (0..64_u32, -2..3_i64).prop_map(|(bit, near)| (1_u64 << bit).wrapping_add_signed(near)),
    ]
}

fn period() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 3 => time()]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..TIMERS + 1;
    let step = prop_oneof![
        4 => (number.clone(), time(), period())
            .prop_map(|(number, first, period)| Step::Start { number, first, period }),
        2 => number.prop_map(Step::Stop),
        3 => time().prop_map(Step::Sleep),
        3 => Just(Step::Alarm),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever is started, stopped and slept through: the count is what the starts demand, and the alarm is set for
    /// what comes next.
    #[test]
    fn counts_are_those_of_the_clock(steps in steps()) {
        let machine = Machine::default();
        let mut running = [None::<Start>; TIMERS as usize];
        let mut before = [0; TIMERS as usize];
        for step in steps {
            let now = machine.now.get();
            let mut replace = |number: u32, start| {
                let number = number as usize;
                before[number] += running[number].map_or(0, |start: Start| start.expirations(now));
                running[number] = start;
            };
            match step {
                Step::Start { number, first, period } => {
                    let expected = if number >= TIMERS {
                        Err(Error::NoSuchDevice)
                    } else if period != 0 && period < SHORTEST_PERIOD {
                        Err(Error::InvalidArgument)
                    } else {
                        Ok(())
                    };
                    prop_assert_eq!(machine.start(number, first, period), expected);
                    if expected.is_err() {
                        continue;
                    }
                    replace(number, Some(Start { at: now, first, period }));
                }
                Step::Stop(number) if number >= TIMERS => {
                    prop_assert_eq!(machine.timers.stop(&machine, number), Err(Error::NoSuchDevice));
                    continue;
                }
                Step::Stop(number) => {
                    prop_assert_eq!(machine.timers.stop(&machine, number), Ok(()));
                    replace(number, None);
                }
                Step::Sleep(ns) => {
                    machine.now.set(now.saturating_add(ns).min(END - 1));
                    continue;
                }
                Step::Alarm => machine.timers.expire(&machine),
            }
            let expected: Vec<u64> = (before.iter().zip(running))
                .map(|(before, start)| before + start.map_or(0, |start| start.expirations(now)))
                .collect();
            prop_assert_eq!(machine.counts(), expected);
            let next = running.iter().flatten().filter_map(|start| start.next(now)).min();
            prop_assert_eq!(machine.alarm.get(), next);
        }
    }

    /// The alarm comes at any moment, also while the timers are changed: nothing is lost or counted twice.
    #[test]
    fn an_alarm_may_come_at_any_moment(
        starts in prop::collection::vec(
            (0..TIMERS, 0..20_000_u64, 10_000..12_000_u64, 0..20_000_u64, any::<bool>(), steps_of_the_clock()),
            1..50,
        ),
    ) {
        let machine = Machine::default();
        let mut running = [None::<(u64, u64, u64, u64)>; TIMERS as usize];
        let mut bounds = [(0, 0); TIMERS as usize];
        let mut end = |number: usize, running: Option<(u64, u64, u64, u64)>, from, to| {
            if let Some((begin, begun, first, period)) = running {
                let start = |at| Start { at, first, period };
                bounds[number].0 += start(begun).expirations(from);
                bounds[number].1 += start(begin).expirations(to);
            }
        };
        for (number, first, period, pause, rings, steps) in starts {
            *machine.steps.borrow_mut() = steps;
            let begin = machine.now.get();
            machine.start(number, first, period).expect("valid");
            let begun = machine.now.get();
            let slot = &mut running[number as usize];
            end(number as usize, *slot, begin, begun);
            *slot = Some((begin, begun, first, period));
            machine.pass(pause, rings);
        }
        machine.steps.borrow_mut().clear();
        machine.ring();
        let now = machine.now.get();
        prop_assert!(machine.alarm.get().is_some_and(|alarm| alarm > now));
        for (number, running) in running.into_iter().enumerate() {
            end(number, running, now, now);
        }
        for (count, (least, most)) in machine.counts().into_iter().zip(bounds) {
            prop_assert!((least..=most).contains(&count), "{} not from {} to {}", count, least, most);
        }
    }
}

/// What passes in a call, in ns: short against the periods, so that an expiration more or less shows.
fn steps_of_the_clock() -> impl Strategy<Value = Vec<(u64, bool)>> {
    prop::collection::vec((0..300_u64, any::<bool>()), 0..16)
}
