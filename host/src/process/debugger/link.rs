// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the vCPU's thread and the debugger's have between them. They take turns: while the guest stands, its thread
//! waits in a signal handler, so there is no lock here, and nothing is allocated.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::thread::futex;

use super::hardware::Watches;
use crate::debug::gdb::{End, Stop};
use crate::debug::registers::Registers;
use crate::process::port::Wakeup;
use crate::process::signals;

/// The guest runs, or has not begun.
const GUEST: u32 = 0;
/// It stands.
const DEBUGGER: u32 = 1;
/// It has ended.
const ENDED: u32 = 2;

/// How often the vCPU's thread looks whether its guest is to end while that stands: a signal that says so may come just
/// before it waits.
const LOOK: Duration = Duration::from_millis(100);

/// How the guest goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Continue,
    /// As it would without a debugger, with the fault that it has stopped for.
    Fault,
    /// By a step, and further in that range.
    Step(u64, u64),
    Kill,
}

/// What goes from one to the other when the turn does.
pub(super) struct Exchange {
    pub(super) stop: Stop,
    pub(super) registers: Registers,
    pub(super) order: Order,
    pub(super) watches: Watches,
}

pub(super) struct Link {
    turn: AtomicU32,
    /// Whether the guest is to stand as soon as it can.
    is_stop_wanted: AtomicBool,
    /// Whether there is somebody who is told of stops.
    is_attended: AtomicBool,
    /// The vCPU's thread.
    thread: AtomicI32,
    /// How the guest has ended, see [`code`].
    end: AtomicU32,
    /// How often the guest has come to stand, and its end.
    changes: AtomicU32,
    /// For the debugger's thread: there was another.
    pub(super) news: Wakeup,
    exchange: UnsafeCell<Exchange>,
}

// SAFETY: what is in the cell is used by whoever has the turn.
unsafe impl Sync for Link {}

impl Link {
    /// The guest is to stand before its first instruction.
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            turn: AtomicU32::new(GUEST),
            is_stop_wanted: AtomicBool::new(true),
            is_attended: AtomicBool::new(true),
            thread: AtomicI32::new(0),
            end: AtomicU32::new(0),
            changes: AtomicU32::new(0),
            news: Wakeup::new()?,
            exchange: UnsafeCell::new(Exchange {
                stop: Stop::Interrupted,
                registers: Registers::default(),
                order: Order::Continue,
                watches: Watches::default(),
            }),
        })
    }

    pub(super) fn is_stop_wanted(&self) -> bool {
        self.is_stop_wanted.load(Ordering::SeqCst)
    }

    pub(super) fn is_attended(&self) -> bool {
        self.is_attended.load(Ordering::SeqCst)
    }

    pub(super) fn set_attended(&self, is_attended: bool) {
        self.is_attended.store(is_attended, Ordering::SeqCst);
    }

    /// The vCPU's thread.
    pub(super) fn thread(&self) -> libc::pid_t {
        self.thread.load(Ordering::SeqCst)
    }

    /// This thread is the vCPU's.
    pub(super) fn set_thread(&self, thread: libc::pid_t) {
        self.thread.store(thread, Ordering::SeqCst);
    }

    /// On the vCPU's thread: the guest stands. Returns when it may go on, which the exchange then says, or is to end.
    /// Returns whether the former.
    pub(super) fn stand(&self, give: impl FnOnce(&mut Exchange), is_stopping: impl Fn() -> bool) -> bool {
        // SAFETY: the turn is this thread's.
        give(unsafe { &mut *self.exchange.get() });
        self.is_stop_wanted.store(false, Ordering::SeqCst);
        self.turn.store(DEBUGGER, Ordering::SeqCst);
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.news.set();
        let look = Timespec::try_from(LOOK).ok();
        while self.turn.load(Ordering::SeqCst) == DEBUGGER {
            if is_stopping() {
                let taken = self
                    .turn
                    .compare_exchange(DEBUGGER, ENDED, Ordering::SeqCst, Ordering::SeqCst);
                if taken.is_ok() {
                    return false;
                }
            }
            let _ = futex::wait(&self.turn, futex::Flags::PRIVATE, DEBUGGER, look.as_ref());
        }
        true
    }

    /// On the vCPU's thread, which has the turn: what the debugger has left.
    pub(super) fn exchange(&self) -> &Exchange {
        // SAFETY: the turn is this thread's, and this is not used while it is the other's.
        unsafe { &*self.exchange.get() }
    }

    /// On the debugger's thread: differs when the guest has come to stand, or to its end.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::SeqCst)
    }

    /// On the debugger's thread: uses the exchange while the guest stands. `None`: it does not.
    pub(super) fn with_exchange<R>(&self, with: impl FnOnce(&mut Exchange) -> R) -> Option<R> {
        if self.turn.load(Ordering::SeqCst) != DEBUGGER {
            return None;
        }
        // SAFETY: the turn is this thread's. A guest that is to end takes it away, but does not look here any more.
        Some(with(unsafe { &mut *self.exchange.get() }))
    }

    /// On the debugger's thread: how the guest has ended, if it has and it was said.
    pub(super) fn ended(&self) -> Option<End> {
        (self.turn.load(Ordering::SeqCst) == ENDED)
            .then(|| of_code(self.end.load(Ordering::SeqCst)))
            .flatten()
    }

    /// On the debugger's thread: lets the guest go on.
    pub(super) fn resume(&self) {
        let taken = self
            .turn
            .compare_exchange(DEBUGGER, GUEST, Ordering::SeqCst, Ordering::SeqCst);
        if taken.is_ok() {
            let _ = futex::wake(&self.turn, futex::Flags::PRIVATE, 1);
        }
    }

    /// On the debugger's thread: has the guest stand as soon as it can. To be repeated until it does.
    pub(super) fn interrupt(&self) {
        if self.turn.load(Ordering::SeqCst) == GUEST {
            self.is_stop_wanted.store(true, Ordering::SeqCst);
            match self.thread.load(Ordering::SeqCst) {
                0 => {}
                thread => signals::kick(thread),
            }
        }
    }

    /// On the vCPU's thread: the guest has ended.
    pub(super) fn end(&self, end: End) {
        self.thread.store(0, Ordering::SeqCst);
        self.end.store(code(end), Ordering::SeqCst);
        self.turn.store(ENDED, Ordering::SeqCst);
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.news.set();
    }
}

/// An end as a word that is not 0.
const fn code(end: End) -> u32 {
    match end {
        End::Exit(status) => 0x100 | status as u32,
        End::Signal(signal) => 0x200 | signal as u32,
    }
}

const fn of_code(code: u32) -> Option<End> {
    match code >> 8 {
        1 => Some(End::Exit(code as u8)),
        2 => Some(End::Signal(code as u8)),
        _ => None,
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("turn", &self.turn).finish_non_exhaustive()
    }
}
