// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the guest is interrupted: by its timers, to stand for a while, and, where time goes by calls, if it makes none.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use paravirt_host_core::page::Page;
use paravirt_host_core::timers::NEVER;

use super::lines::SharedLines;
use super::pauses::Pauses;
use super::platform::Guest;
use super::run::ABANDONED;
use super::time::{Alarm, Clock, PosixTimer, StepClock, Time, monotonic, processor_time};

/// Whether another run of the same guest would be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    /// Yes, if the host functions and the input are the same.
    Yes,
    /// No: that was not asked for ([`Time::Steps`]).
    NotAsked,
    /// No: the guest has computed for so long without a call that a timer expired all the same.
    Computed,
    /// No: another thread has raised a line while the guest ran, as the one that reads a terminal does; or there was
    /// input that comes when it comes.
    Raised,
    /// No: a time limit or a signal has ended it.
    Stopped,
}

/// Processor time in which a guest makes a call, where time goes by calls; after that its next timer expires.
pub const LONGEST_COMPUTATION: Duration = Duration::from_millis(100);

impl Repeatable {
    /// Why, in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Yes => "time goes by calls",
            Self::NotAsked => "time goes by a clock",
            Self::Computed => "the guest computed for more than 100 ms without a call",
            Self::Raised => "a line was raised from outside while the guest ran",
            Self::Stopped => "the guest was ended from outside",
        }
    }
}

/// How late an idle guest is interrupted where nobody waits for a clock, in ns of guest time: about as late as Linux
/// wakes a thread that sleeps. A guest that compares times with its ticks, as RTEMS' ticker does, sees what it sees in
/// real time.
const LATENESS: u64 = 150_000;

/// Time between two looks whether input that is there has come.
const GLANCE: Duration = Duration::from_micros(20);

/// Whether the guest makes calls.
#[derive(Clone, Copy)]
struct Watch {
    /// Steps that were made when it last had made any.
    made: u64,
    /// Processor time of the thread at that moment in ns.
    since: u64,
}

impl Watch {
    /// Time between two looks in ns.
    const PERIOD: u64 = 25_000_000;
    /// Both times for a guest that has computed for too long before, in ns: its runs are not the same anyway.
    const AGAIN: u64 = 1_000_000;
}

/// On the vCPU's thread, where a handler may interrupt it; but lines are raised on any.
pub(super) struct Schedule {
    pub(super) clock: Clock,
    pub(super) alarm: Alarm,
    /// Guest time in ns at which the next timer expires.
    deadline: Cell<u64>,
    /// Guest time in ns that nobody waited for while the guest was idle.
    skipped: Cell<u64>,
    /// Who lets the guest run, if that is not for ever.
    pauses: Option<Arc<Pauses>>,
    /// Whether the guest idles, and its next timer expires now.
    is_waking: Cell<bool>,
    /// Whether a host function has found that it is time for what comes next.
    overdue: Cell<bool>,
    /// Whether the guest is to stand as soon as the host function ends.
    pause_due: Cell<bool>,
    watch: Cell<Watch>,
    computed: Cell<bool>,
    lines: Arc<SharedLines>,
}

impl Schedule {
    /// Guest time starts now.
    /// `stands`: at times the guest [stands](Self::stand) for other reasons than these pauses.
    pub(super) fn new(time: Time, pauses: Option<Arc<Pauses>>, stands: bool, lines: Arc<SharedLines>) -> Self {
        Self {
            clock: Clock::new(time, stands || pauses.is_some()),
            alarm: Alarm::default(),
            deadline: Cell::new(NEVER),
            skipped: Cell::new(0),
            pauses,
            is_waking: Cell::new(false),
            overdue: Cell::new(false),
            pause_due: Cell::new(false),
            watch: Cell::new(Watch { made: 0, since: 0 }),
            computed: Cell::new(false),
            lines,
        }
    }

    /// Whether calls are to be told to it: [`before_call`](Self::before_call) and [`after_call`](Self::after_call).
    pub(super) const fn follows_calls(&self) -> bool {
        self.clock.skips() || self.pauses.is_some()
    }

    /// From now on the alarm comes by that timer.
    pub(super) fn begin(&self, timer: &PosixTimer) {
        self.clock.begin();
        self.watch.set(Watch {
            made: 0,
            since: processor_time(),
        });
        self.alarm.use_timer(Some(timer));
        self.schedule_look();
        self.arm();
    }

    pub(super) fn end(&self) {
        self.alarm.use_timer(None);
    }

    pub(super) fn repeatable(&self) -> Repeatable {
        if self.clock.steps().is_none() {
            Repeatable::NotAsked
        } else if self.computed.get() {
            Repeatable::Computed
        } else if self.lines.was_interrupted() {
            Repeatable::Raised
        } else {
            Repeatable::Yes
        }
    }

    /// Guest time in ns, for the guest.
    pub(super) fn now(&self) -> u64 {
        let (time, is_due) = self.clock.up_to(self.next());
        if is_due {
            self.overdue.set(true);
        }
        time
    }

    /// Guest time in ns that nobody waited for while the guest was idle.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped.get()
    }

    /// The guest's next timer expires at that guest time in ns.
    pub(super) fn set_deadline(&self, deadline: u64) {
        let last = self.deadline.replace(deadline);
        if self.is_waking.replace(false) {
            self.skip_to(last.saturating_add(LATENESS).min(self.next()));
        }
        self.arm();
    }

    /// Goes on from that guest time, as far as the guest idles.
    fn skip_to(&self, time: u64) {
        self.skipped.set(self.skipped.get() + self.clock.skip_to(time));
    }

    /// The guest time in ns at which something happens next.
    fn next(&self) -> u64 {
        let goal = self.pauses.as_ref().map_or(NEVER, |pauses| pauses.goal());
        self.deadline.get().min(goal)
    }

    fn arm(&self) {
        self.alarm.set_timers(match self.next() {
            NEVER => NEVER,
            next => self.clock.host_time(next).unwrap_or(NEVER),
        });
    }

    /// The clock is to be anchored from time to time, or the guest to be watched.
    fn schedule_look(&self) {
        let pause = match self.clock.steps() {
            None => self.clock.pause(),
            Some(_) if self.computed.get() => Some(Watch::AGAIN),
            Some(_) => Some(Watch::PERIOD),
        };
        if let Some(pause) = pause {
            self.alarm.set_look(monotonic() + pause);
        }
    }

    /// For the handler of the alarm's signal.
    pub(super) fn on_alarm(&self, guest: &Guest) {
        self.alarm.handle(|due| {
            let has_passed = due.look && self.look(guest.page(), guest.in_host());
            if due.look {
                self.schedule_look();
            }
            let interrupt = self.next();
            if due.timers || has_passed {
                guest.alarm();
            }
            // What this has taken is not the guest's.
            let _ = self.clock.up_to(interrupt);
            if self.is_pause_due() {
                if guest.in_host() {
                    self.pause_due.set(true);
                } else {
                    self.pause(guest);
                }
            }
        });
    }

    /// Returns whether the guest's time may have gone on by it.
    fn look(&self, page: Page, in_host: bool) -> bool {
        let Some(clock) = self.clock.steps() else {
            self.clock.sample(page);
            return true;
        };
        let (now, made) = (processor_time(), clock.made());
        let watch = self.watch.get();
        if in_host || watch.made != made {
            self.watch.set(Watch { made, since: now });
            return false;
        }
        let longest = if self.computed.get() {
            Watch::AGAIN
        } else {
            LONGEST_COMPUTATION.as_nanos() as u64
        };
        if now.saturating_sub(watch.since) < longest || self.next() == NEVER {
            return false;
        }
        self.computed.set(true);
        self.clock.skip_to(self.next());
        self.watch.set(Watch { made, since: now });
        true
    }

    /// Whether the guest may be interrupted wherever a signal comes. Where time goes by calls, it is at calls only.
    pub(super) fn interrupts_anywhere(&self) -> bool {
        self.clock.steps().is_none() || self.computed.get() || self.lines.was_interrupted()
    }

    /// A host function is called.
    pub(super) fn before_call(&self) {
        if let Some(clock) = self.clock.steps() {
            clock.step();
        }
    }

    /// A host function has ended.
    pub(super) fn after_call(&self, guest: &Guest) {
        let may_pause = if let Some(clock) = self.clock.steps() {
            self.expire(clock, guest);
            true
        } else {
            let is_overdue = self.overdue.replace(false);
            if is_overdue {
                guest.alarm();
            }
            self.pause_due.replace(false) || is_overdue
        };
        if may_pause && self.is_pause_due() {
            self.pause(guest);
        }
    }

    /// Has the guest's timers expire that are due, here or, to find out what depends on it, some instructions later.
    fn expire(&self, clock: &StepClock, guest: &Guest) {
        let stepping = &guest.platform().stepping;
        if clock.now() < self.deadline.get() || stepping.is_put_off() {
            return;
        }
        match clock.delay() {
            0 => guest.alarm(),
            instructions => stepping.put_off(instructions),
        }
    }

    /// The guest idles. Returns whether something has happened, for which it need not wait.
    pub(super) fn idle(&self, guest: &Guest) -> bool {
        if self.is_pause_due() {
            self.pause(guest);
            return true;
        }
        let next = self.next();
        if next == NEVER || !self.clock.skips() {
            return false;
        }
        if guest.platform().console.is_coming() {
            thread::sleep(GLANCE);
        } else {
            self.skip_to(next);
            self.is_waking.set(next == self.deadline.get());
            guest.alarm();
        }
        true
    }

    fn is_pause_due(&self) -> bool {
        let goal = self.pauses.as_ref().map(|pauses| pauses.goal());
        goal.is_some_and(|goal| goal != NEVER && goal <= self.clock.now())
    }

    /// The guest stands until it is let go on, or is to end.
    fn pause(&self, guest: &Guest) {
        let Some(pauses) = &self.pauses else { return };
        // Whoever waits is told of its end.
        if guest.is_stopping() {
            return;
        }
        self.stand(|| {
            if !pauses.pause(self.now(), || guest.is_stopping()) {
                guest.stop(ABANDONED);
            }
        });
    }

    /// The guest stands, and its time with it, while `wait` waits. Returns how long in ns.
    pub(super) fn stand(&self, wait: impl FnOnce()) -> u64 {
        let start = monotonic();
        wait();
        let stood = monotonic() - start;
        self.clock.stood(stood);
        if let Some(clock) = self.clock.steps() {
            let (made, since) = (clock.made(), processor_time());
            self.watch.set(Watch { made, since });
        }
        self.arm();
        stood
    }
}
