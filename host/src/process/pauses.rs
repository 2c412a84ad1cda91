// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU's thread and the one that lets it run take turns. The guest's may give the turn back in a signal handler,
//! so there is no lock, and nothing is allocated.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use paravirt_host_core::timers::NEVER;
use rustix::thread::futex;

/// The guest stands, or has not begun.
const CALLER: u32 = 0;
/// The guest runs.
const GUEST: u32 = 1;
/// It has ended, and its thread with it.
const ENDED: u32 = 2;

/// Whose turn it is, and up to when. Times are guest time in ns.
#[derive(Debug)]
pub(super) struct Pauses {
    turn: AtomicU32,
    /// Where the guest is to stop next.
    goal: AtomicU64,
    /// Where it has stopped.
    time: AtomicU64,
    /// Whether nobody will let it go on.
    abandoned: AtomicBool,
}

impl Pauses {
    pub(super) const fn new() -> Self {
        Self {
            turn: AtomicU32::new(CALLER),
            goal: AtomicU64::new(0),
            time: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Where the guest is to stop next.
    pub(super) fn goal(&self) -> u64 {
        self.goal.load(Ordering::SeqCst)
    }

    /// On the caller's thread, while the guest stands.
    pub(super) fn set_goal(&self, goal: u64) {
        self.goal.store(goal, Ordering::SeqCst);
    }

    /// Where it has stopped.
    pub(super) fn time(&self) -> u64 {
        self.time.load(Ordering::SeqCst)
    }

    /// Whether the guest stands.
    pub(super) fn is_paused(&self) -> bool {
        self.turn.load(Ordering::SeqCst) == CALLER
    }

    /// On the guest's thread: gives the turn away at that time, until it comes back, or until the guest is to end,
    /// which a signal says. Returns whether it is to go on.
    pub(super) fn pause(&self, time: u64, is_stopping: impl Fn() -> bool) -> bool {
        self.time.store(time, Ordering::SeqCst);
        self.pass(CALLER);
        self.wait_for_turn(is_stopping)
    }

    /// On the guest's thread: waits until it may run, or until the guest is to end, which a signal says. Returns
    /// whether it is to go on.
    pub(super) fn wait_for_turn(&self, is_stopping: impl Fn() -> bool) -> bool {
        while self.is_paused() && !is_stopping() {
            self.wait(CALLER);
        }
        !self.abandoned.load(Ordering::SeqCst)
    }

    /// On the guest's thread: there is nothing more to run.
    pub(super) fn end(&self) {
        self.pass(ENDED);
    }

    /// On the caller's thread: lets the guest go on to that time. Returns whether it has come there, and has not ended.
    pub(super) fn run_until(&self, goal: u64) -> bool {
        self.set_goal(goal);
        if self
            .turn
            .compare_exchange(CALLER, GUEST, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            self.wake();
        }
        loop {
            match self.turn.load(Ordering::SeqCst) {
                GUEST => self.wait(GUEST),
                turn => return turn == CALLER,
            }
        }
    }

    /// On the caller's thread: the guest is to end, and does by the time that this returns.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        while self.run_until(NEVER) {}
    }

    fn pass(&self, turn: u32) {
        self.turn.store(turn, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        // It cannot fail: the word is ours.
        let _ = futex::wake(&self.turn, futex::Flags::PRIVATE, 1);
    }

    /// Waits while it is that one's turn; returns earlier at times.
    fn wait(&self, turn: u32) {
        let _ = futex::wait(&self.turn, futex::Flags::PRIVATE, turn, None);
    }
}
