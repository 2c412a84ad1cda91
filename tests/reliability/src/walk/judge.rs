// SPDX-License-Identifier: MIT OR Apache-2.0
//! A round, and whether everything in it happened as it must.

use std::collections::HashMap;
use std::fs;

use pvhost::process::{GuestMemory, Step};

use super::plan::Key;
use super::{LINE, MASK, MASK_IN_HANDLER, Places};

/// A raise.
#[derive(Clone, Copy, Debug)]
struct Raise {
    address: u64,
    /// Whether it could interrupt the guest at once.
    interruptible: bool,
    /// Calls of the handler before it.
    calls: u32,
}

/// What the guest says about a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// Calls of the line's handler.
    pub(super) calls: u32,
    /// Handlers that ran while they must not.
    pub(super) early: u32,
    /// Lowest stack address in the line's handler.
    pub(super) lowest: u64,
}

/// A round.
#[derive(Debug)]
pub(super) struct Round {
    /// Address of the guest's count of its handler's calls.
    calls: u64,
    /// Whether the line is masked in some part of it.
    masks: bool,
    /// Raises by the guest itself.
    own_raises: usize,
    visits: HashMap<u64, u32>,
    raises: Vec<Raise>,
    /// Whether the line was raised at the step before.
    just_raised: bool,
    /// How often this thread had slept when a line became pending that must keep it from sleeping.
    sleeps_before: Option<u64>,
    /// That it slept all the same.
    slept: Option<String>,
    problems: Vec<String>,
}

impl Round {
    pub(super) fn new(calls: u64, path: u32) -> Self {
        Self {
            calls,
            masks: matches!(path, MASK | MASK_IN_HANDLER),
            own_raises: usize::from(path == MASK_IN_HANDLER),
            visits: HashMap::new(),
            raises: Vec::new(),
            just_raised: false,
            sleeps_before: None,
            slept: None,
            problems: Vec::new(),
        }
    }

    /// Number of raises so far.
    pub(super) fn raises(&self) -> usize {
        self.raises.len()
    }

    pub(super) fn visit(&mut self, address: u64) -> Key {
        let visits = self.visits.entry(address).or_default();
        let key = Key::new(address, *visits);
        *visits += 1;
        key
    }

    pub(super) fn raise(&mut self, step: &mut Step<'_>) {
        self.raises.push(Raise {
            address: step.instruction(),
            interruptible: step.interruptible(),
            calls: read_word(step.memory(), self.calls),
        });
        self.just_raised = true;
        step.raise(LINE).expect("the line exists");
    }

    /// Looks at the step after a raise. An interrupt shows as a step behind the upcall's first instruction, a push of
    /// one byte, since the processor traps after an instruction.
    pub(super) fn check_step(&mut self, address: u64, places: &Places) {
        if !std::mem::take(&mut self.just_raised) {
            return;
        }
        let Some(raise) = self.raises.last() else {
            return;
        };
        let entered = address == places.upcall.start + 1 && raise.address != places.upcall.start;
        let problem = match (entered, raise.interruptible) {
            (true, false) => Some("interrupted at once though it must not be"),
            (false, true) if !self.masks => Some("not interrupted at once"),
            _ => None,
        };
        if let Some(how) = problem {
            self.problems
                .push(format!("{how}, but continued at {address:#x}: {raise:x?}"));
        }
    }

    /// From now on the guest must not sleep: a line is about to become pending with interrupts off.
    pub(super) fn expect_no_sleep(&mut self) {
        self.sleeps_before = Some(sleeps());
    }

    /// Once the line's handler has run, the guest may sleep again: whatever ends that is another line.
    pub(super) fn check_handled(&mut self, memory: &GuestMemory) {
        if self.sleeps_before.is_some()
            && self
                .raises
                .last()
                .is_some_and(|last| read_word(memory, self.calls) > last.calls)
        {
            self.check_sleep();
        }
    }

    /// When the line was handled, or after the path.
    pub(super) fn check_sleep(&mut self) {
        let before = self.sleeps_before.take();
        if before.is_some_and(|before| sleeps() != before) {
            let raises = &self.raises;
            self.slept = Some(format!("slept though a line was pending: {raises:x?}"));
        }
    }

    /// At the end of a path, where interrupts are on. A host call would deliver what is left, so this comes before the
    /// next.
    pub(super) fn check_delivered(&mut self, memory: &GuestMemory) {
        if let Some(last) = self.raises.last()
            && read_word(memory, self.calls) <= last.calls
        {
            self.problems.push(format!("still pending: {:x?}", self.raises));
        }
    }

    /// That this thread slept where it must not. Linux may have had a reason of its own for that, once.
    pub(super) fn take_slept(&mut self) -> Option<String> {
        self.slept.take()
    }

    /// What else was wrong.
    pub(super) fn judge(mut self, report: Report) -> Vec<String> {
        let Report { calls, early, .. } = report;
        let raises = self.raises;
        if early > 0 {
            self.problems.push(format!("{early} delivered while off: {raises:x?}"));
        }
        if raises.last().is_some_and(|last| calls <= last.calls) {
            self.problems.push(format!("lost: {raises:x?}"));
        }
        if calls as usize > raises.len() + self.own_raises {
            self.problems.push(format!("{calls} calls: {raises:x?}"));
        }
        self.problems
    }
}

/// A word of the guest's.
pub(super) fn read_word(memory: &GuestMemory, address: u64) -> u32 {
    let bytes = memory.read(address, 4).expect("the guest's own variable");
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// How often this thread has given up the processor of its own accord.
fn sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux has it");
    let number = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|number| number.trim().parse().ok());
    number.expect("Linux tells")
}
