// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt lines: handlers, masks, software interrupts, and the dispatcher that upcalls end in.
//!
//! A handler is a function or a closure. It runs between two instructions of other code, so whatever it shares with
//! that code must be [`Sync`]: atomics, or a [`critical_section::Mutex`].
//!
//! ```no_run
//! use core::sync::atomic::{AtomicU32, Ordering};
//! use paravirt_bsp::irq::Line;
//!
//! const DOOR: Line = Line::new(4).expect("there are 31 lines");
//!
//! static OPENED: AtomicU32 = AtomicU32::new(0);
//!
//! fn run() -> Result<(), paravirt_bsp::Error> {
//!     // For good:
//!     DOOR.attach(&|_line| {
//!         OPENED.fetch_add(1, Ordering::Relaxed);
//!     })?;
//!     DOOR.raise()?;
//!     DOOR.detach()?;
//!
//!     // Or for a while, with what lives no longer:
//!     let calls = AtomicU32::new(0);
//!     let count = |_line| {
//!         calls.fetch_add(1, Ordering::Relaxed);
//!     };
//!     DOOR.attach_for(&count, || DOOR.raise())?
//! }
//! # fn main() {}
//! ```
//!
//! A handler runs with interrupts off. It may turn them on; then other lines, of any number, nest in it. A line never
//! nests in its own handler: raised meanwhile, its handler runs once more afterwards. So a stack needs room for each
//! line once at most. Of several pending lines the lowest number goes first.

use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use critical_section::{CriticalSection, Mutex};
use paravirt_abi::line::{self, LINES};
use paravirt_abi::vcpu::HOST_MASKED;

use crate::handler::Slot;
use crate::{Error, cpu, interface, println, result, upcall, vcpu};

/// A handler in the C form: the line, and the argument that was given with it.
pub type RawHandler = unsafe extern "C" fn(line: u32, argument: *mut c_void);

static HANDLERS: [Slot<RawHandler>; LINES as usize] = [const { Slot::new() }; LINES as usize];
/// Taken from the pending word, but not yet handled: lines that are active. Whatever else is to be handled stays in
/// that word, where the test at the end of turning interrupts on and idle look. Changed with interrupts off.
static LATCHED: AtomicU32 = AtomicU32::new(0);
/// Lines whose handler is running. Changed with interrupts off.
static ACTIVE: AtomicU32 = AtomicU32::new(0);
/// Lines whose lack of a handler was reported.
static REPORTED: AtomicU32 = AtomicU32::new(0);
/// Opens the host's flag again after an entry returned with it off; set by backends whose host has such a flag.
static OPEN_HOST: Mutex<Cell<fn()>> = Mutex::new(Cell::new(|| {}));

/// One of the lines. Values with one number mean the same line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(u32);

impl Line {
    /// The line that all timers raise. [`Timer`](crate::timer::Timer) attaches it.
    pub const TIMER: Self = Self(line::TIMER);
    /// The line that console input raises.
    pub const CONSOLE: Self = Self(line::CONSOLE);

    /// The line of that number, 0 to 30. Those from [`line::FIRST_FREE`] on belong to applications.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number < LINES { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Attaches `handler` and unmasks the line.
    ///
    /// # Errors
    /// [`Error::Busy`] if the line has a handler; whatever the host reports.
    pub fn attach<F: Fn(Self) + Sync>(self, handler: &'static F) -> Result<(), Error> {
        // SAFETY: `call::<F>` uses the argument as the reference that it is; that lives for ever and is of a type that
        // may be used from a handler.
        unsafe { self.attach_raw(call::<F>, core::ptr::from_ref(handler).cast_mut().cast()) }
    }

    /// Attaches `handler` while `body` runs. So it may borrow what lives no longer than that. Afterwards the line has
    /// no handler.
    ///
    /// # Errors
    /// As [`Line::attach`]; then `body` does not run.
    pub fn attach_for<F: Fn(Self) + Sync, R>(self, handler: &F, body: impl FnOnce() -> R) -> Result<R, Error> {
        // SAFETY: as in `attach`, as long as the borrow lasts: before it ends, the guard takes the handler away,
        // however `body` ends. The handler is not running then, because what it interrupts goes on only when it has
        // returned.
        unsafe { self.attach_raw(call::<F>, core::ptr::from_ref(handler).cast_mut().cast())? };
        let _attached = Attached(self);
        Ok(body())
    }

    /// Attaches a handler in the C form, for C APIs.
    ///
    /// # Errors
    /// As [`Line::attach`].
    ///
    /// # Safety
    /// Until the line is detached, `handler` may be called with `argument` at any instant when interrupts are on.
    pub unsafe fn attach_raw(self, handler: RawHandler, argument: *mut c_void) -> Result<(), Error> {
        let slot = self.slot();
        cpu::without_interrupts(|section| {
            slot.fill(section, handler, argument)?;
            result(interface::pv_irq_attach(self.0)).inspect_err(|_| slot.clear(section))
        })
    }

    /// Masks the line and takes its handler away.
    ///
    /// # Errors
    /// [`Error::NotAttached`] if the line has no handler.
    pub fn detach(self) -> Result<(), Error> {
        cpu::without_interrupts(|section| {
            self.slot().get(section).ok_or(Error::NotAttached)?;
            self.slot().clear(section);
            result(interface::pv_irq_detach(self.0))?;
            // The host raises it no more, but it may have done so before.
            self.clear();
            Ok(())
        })
    }

    /// Keeps the line from interrupting; the host remembers that it was raised. In the line's own handler too: it does
    /// not run again.
    ///
    /// # Errors
    /// Whatever the host reports.
    pub fn mask(self) -> Result<(), Error> {
        result(interface::pv_irq_mask(self.0))?;
        cpu::without_interrupts(|_| {
            if LATCHED.load(Ordering::Relaxed) & self.bit() == 0 {
                return Ok(());
            }
            // Raised while its handler runs, and already taken from the host, which gets it back.
            change(&LATCHED, |latched| latched & !self.bit());
            self.raise()
        })
    }

    /// Lets the line interrupt again, at once if it was raised meanwhile.
    ///
    /// # Errors
    /// Whatever the host reports.
    pub fn unmask(self) -> Result<(), Error> {
        result(interface::pv_irq_unmask(self.0))
    }

    /// Raises the line by software. With interrupts on and the line unmasked, its handler has run on return.
    ///
    /// # Errors
    /// Whatever the host reports.
    pub fn raise(self) -> Result<(), Error> {
        result(interface::pv_irq_raise(self.0))
    }

    /// Returns whether the line is pending: raised, unmasked, and its handler has not begun.
    #[must_use]
    pub fn is_pending(self) -> bool {
        let lines = vcpu::pending().load(Ordering::Relaxed) | LATCHED.load(Ordering::Relaxed);
        lines & self.bit() != 0
    }

    /// Forgets that the line is pending.
    pub fn clear(self) {
        cpu::without_interrupts(|_| {
            vcpu::pending().fetch_and(!self.bit(), Ordering::Relaxed);
            change(&LATCHED, |latched| latched & !self.bit());
        });
    }

    const fn bit(self) -> u32 {
        1 << self.0
    }

    fn slot(self) -> &'static Slot<RawHandler> {
        &HANDLERS[self.0 as usize]
    }
}

/// Calls a handler of type `F`.
///
/// # Safety
/// `argument` must be the address of an `F`, which lives through the call.
unsafe extern "C" fn call<F: Fn(Line) + Sync>(line: u32, argument: *mut c_void) {
    // SAFETY: passed on to the caller.
    (unsafe { &*argument.cast::<F>() })(Line(line));
}

/// A line that has a handler for a while.
struct Attached(Line);

impl Drop for Attached {
    fn drop(&mut self) {
        // Without a handler if `body` took it away.
        let _ = self.0.detach();
    }
}

/// Interrupts that found no handler, since the start.
#[must_use]
pub fn spurious() -> u32 {
    vcpu::spurious().read()
}

/// The test at the end of turning interrupts on.
///
/// # Safety
/// The virtual interrupt flag is on.
#[inline]
pub(crate) unsafe fn deliver_if_pending() {
    // A line that comes between the store of 1 and the test is delivered by an upcall or found by the test.
    if vcpu::pending().load(Ordering::Relaxed) != 0 {
        // SAFETY: passed on to the caller.
        unsafe { upcall::deliver() };
    }
}

/// Runs the handlers of all pending lines. For the body of an upcall, see [`crate::upcall::set_body`].
///
/// # Safety
/// Called with interrupts off; a handler may turn them on, so not within a critical section that the caller does not
/// own. They are off on return.
pub unsafe extern "C" fn dispatch() {
    // SAFETY: interrupts are off, but for handlers that turn them on; none of what it gives access to is held across
    // those.
    let section = unsafe { CriticalSection::new() };
    let pending = vcpu::pending();
    loop {
        // HOST_MASKED stays for `open_host`, below or in a handler that turns interrupts on; so do the lines that come
        // after this one.
        let lines = pending.load(Ordering::Relaxed) & !HOST_MASKED;
        let active = lines & ACTIVE.load(Ordering::Relaxed);
        let ready = lines & !active;
        let bit = ready & ready.wrapping_neg();
        if lines != 0 {
            pending.fetch_and(!(active | bit), Ordering::Acquire);
            change(&LATCHED, |latched| latched | active);
        }
        if bit == 0 {
            if !open_host() {
                return;
            }
            continue;
        }
        let line = bit.trailing_zeros();
        change(&ACTIVE, |active| active | bit);
        match HANDLERS[line as usize].get(section) {
            // SAFETY: whoever attached it vouches for these calls.
            Some((handler, argument)) => unsafe { handler(line, argument) },
            None => report_spurious(line),
        }
        // The handler may have turned interrupts on.
        cpu::disable_interrupts();
        change(&ACTIVE, |active| active & !bit);
        let again = LATCHED.load(Ordering::Relaxed) & bit;
        if again != 0 {
            change(&LATCHED, |latched| latched & !bit);
            pending.fetch_or(again, Ordering::Relaxed);
        }
    }
}

#[cold]
fn report_spurious(line: u32) {
    let count = vcpu::spurious();
    count.write(count.read().wrapping_add(1));
    if REPORTED.load(Ordering::Relaxed) & 1 << line == 0 {
        change(&REPORTED, |reported| reported | 1 << line);
        println!("paravirt: interrupt on line {line}, which has no handler");
    }
}

/// Says how to open the host's flag. For the start of a backend whose entries return with that flag off; nothing
/// interrupts yet.
pub(crate) fn set_open_host(open: fn()) {
    // SAFETY: interrupts are off.
    let section = unsafe { CriticalSection::new() };
    OPEN_HOST.borrow(section).set(open);
}

/// Opens the host's flag if an entry left it off. Returns whether it did. Called with interrupts off.
pub(crate) fn open_host() -> bool {
    if vcpu::pending().load(Ordering::Relaxed) & HOST_MASKED == 0 {
        return false;
    }
    vcpu::pending().fetch_and(!HOST_MASKED, Ordering::Relaxed);
    // SAFETY: interrupts are off.
    let section = unsafe { CriticalSection::new() };
    OPEN_HOST.borrow(section).get()();
    true
}

/// Changes a word that interrupts do not change: they are off, so a load and a store do.
#[inline]
fn change(word: &AtomicU32, to: impl FnOnce(u32) -> u32) {
    word.store(to(word.load(Ordering::Relaxed)), Ordering::Relaxed);
}
