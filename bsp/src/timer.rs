// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers by number.
//!
//! All timers raise one line; the vCPU page counts the expirations of each, so that none is lost when the line
//! coalesces. Timer [`TICK`] belongs to the operating system, the others to applications.
//!
//! ```no_run
//! use core::time::Duration;
//! use paravirt_bsp::println;
//! use paravirt_bsp::timer::Timer;
//!
//! const BLINK: Timer = Timer::new(1).expect("there are 8 timers");
//!
//! fn run() -> Result<(), paravirt_bsp::Error> {
//!     BLINK.attach(&|_timer, expirations| println!("{expirations} more"))?;
//!     BLINK.start_periodic(Duration::from_millis(250))
//! }
//! # fn main() {}
//! ```

use core::cell::Cell;
use core::ffi::c_void;
use core::time::Duration;

use critical_section::{CriticalSection, Mutex};
use embedded_hal::delay::DelayNs;
use paravirt_abi::line::TIMERS;

pub use paravirt_abi::line::TICK;

use crate::clock::{Instant, ns};
use crate::handler::Slot;
use crate::irq::Line;
use crate::{Error, cpu, interface, result, vcpu};

/// A handler in the C form: the timer, how often it expired since the last call (at least 1), and the argument that was
/// given with it.
pub type RawHandler = unsafe extern "C" fn(timer: u32, expirations: u64, argument: *mut c_void);

static HANDLERS: [Slot<RawHandler>; TIMERS as usize] = [const { Slot::new() }; TIMERS as usize];
/// Expirations that the handler has been told of.
static TOLD: [Mutex<Cell<u64>>; TIMERS as usize] = [const { Mutex::new(Cell::new(0)) }; TIMERS as usize];

/// One of the timers. Values with one number mean the same timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer(u32);

impl Timer {
    /// The timer of that number, 0 to 7.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number < TIMERS { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Starts the timer anew: it expires after `first` and then every `period`; zero means once. Times of 2^63 ns and
    /// more are never reached.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a period that is too short for the host.
    pub fn start(self, first: Duration, period: Duration) -> Result<(), Error> {
        self.start_ns(ns(first), ns(period))
    }

    /// [`Timer::start`] with a period of `period`, from now.
    ///
    /// # Errors
    /// As [`Timer::start`].
    pub fn start_periodic(self, period: Duration) -> Result<(), Error> {
        self.start(period, period)
    }

    /// [`Timer::start`] to expire once, after `delay`.
    ///
    /// # Errors
    /// As [`Timer::start`].
    pub fn start_once(self, delay: Duration) -> Result<(), Error> {
        self.start(delay, Duration::ZERO)
    }

    /// [`Timer::start`] with times in ns, as the host takes them.
    ///
    /// # Errors
    /// As [`Timer::start`].
    pub fn start_ns(self, first: u64, period: u64) -> Result<(), Error> {
        // SAFETY: the dispatcher ignores its argument; lines call their handlers with interrupts off.
        match unsafe { Line::TIMER.attach_raw(on_line, core::ptr::null_mut()) } {
            Ok(()) | Err(Error::Busy) => {}
            Err(error) => return Err(error),
        }
        result(interface::pv_timer_start(self.0, first, period))
    }

    /// Stops the timer. Expirations that were counted stay counted.
    ///
    /// # Errors
    /// Whatever the host reports.
    pub fn stop(self) -> Result<(), Error> {
        result(interface::pv_timer_stop(self.0))
    }

    /// How often this timer expired since the guest's start, over all its starts.
    #[must_use]
    pub fn expirations(self) -> u64 {
        let counter = vcpu::timer_expirations(self.0);
        // The host counts between two instructions; where a load takes two, read until two readings agree.
        let mut seen = counter.read();
        if cfg!(target_pointer_width = "32") {
            loop {
                let again = counter.read();
                if again == seen {
                    break;
                }
                seen = again;
            }
        }
        seen
    }

    /// Has `handler` called after each expiration, with what came together in one call. It runs as a handler of a line
    /// does, see [`mod@crate::irq`].
    ///
    /// # Errors
    /// [`Error::Busy`] if the timer has a handler.
    pub fn attach<F: Fn(Self, u64) + Sync>(self, handler: &'static F) -> Result<(), Error> {
        // SAFETY: `call::<F>` uses the argument as the reference that it is; that lives for ever and is of a type that
        // may be used from a handler.
        unsafe { self.attach_raw(call::<F>, core::ptr::from_ref(handler).cast_mut().cast()) }
    }

    /// Attaches `handler` while `body` runs. So it may borrow what lives no longer than that. Afterwards the timer has
    /// no handler.
    ///
    /// # Errors
    /// As [`Timer::attach`]; then `body` does not run.
    pub fn attach_for<F: Fn(Self, u64) + Sync, R>(self, handler: &F, body: impl FnOnce() -> R) -> Result<R, Error> {
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
    /// As [`Timer::attach`].
    ///
    /// # Safety
    /// Until it is detached, `handler` may be called with `argument` at any instant when interrupts are on.
    pub unsafe fn attach_raw(self, handler: RawHandler, argument: *mut c_void) -> Result<(), Error> {
        cpu::without_interrupts(|section| {
            self.slot().fill(section, handler, argument)?;
            self.told(section).set(self.expirations());
            Ok(())
        })
    }

    /// Takes the handler away.
    ///
    /// # Errors
    /// [`Error::NotAttached`] if there is none.
    pub fn detach(self) -> Result<(), Error> {
        cpu::without_interrupts(|section| {
            self.slot().get(section).ok_or(Error::NotAttached)?;
            self.slot().clear(section);
            Ok(())
        })
    }

    fn slot(self) -> &'static Slot<RawHandler> {
        &HANDLERS[self.0 as usize]
    }

    fn told(self, section: CriticalSection<'_>) -> &'_ Cell<u64> {
        TOLD[self.0 as usize].borrow(section)
    }
}

/// Calls a handler of type `F`.
///
/// # Safety
/// `argument` must be the address of an `F`, which lives through the call.
unsafe extern "C" fn call<F: Fn(Timer, u64) + Sync>(timer: u32, expirations: u64, argument: *mut c_void) {
    // SAFETY: passed on to the caller.
    (unsafe { &*argument.cast::<F>() })(Timer(timer), expirations);
}

/// A timer that has a handler for a while.
struct Attached(Timer);

impl Drop for Attached {
    fn drop(&mut self) {
        // Without a handler if `body` took it away.
        let _ = self.0.detach();
    }
}

/// The handler of the timer line: calls the handlers of the timers that have expired. [`Timer::start`] attaches it,
/// unless the line has a handler; that one must call this.
///
/// # Safety
/// Called with interrupts off, in a handler.
pub unsafe extern "C" fn on_line(_line: u32, _argument: *mut c_void) {
    // SAFETY: interrupts are off, but for handlers that turn them on; none of what it gives access to is held across
    // those.
    let section = unsafe { CriticalSection::new() };
    for timer in (0..TIMERS).map(Timer) {
        let Some((handler, argument)) = timer.slot().get(section) else {
            continue;
        };
        let told = timer.told(section);
        let expirations = timer.expirations();
        let fresh = expirations.wrapping_sub(told.get());
        if fresh > 0 {
            told.set(expirations);
            // SAFETY: whoever attached it vouches for these calls.
            unsafe { handler(timer.0, fresh, argument) };
            // The handler may have turned interrupts on.
            cpu::disable_interrupts();
        }
    }
}

/// Delays by a timer of its own: the processor idles, and handlers run, until the time has come.
#[derive(Debug)]
pub struct Delay(Timer);

impl Delay {
    /// A delay that uses `timer`, which nobody else may use meanwhile.
    #[must_use]
    pub const fn new(timer: Timer) -> Self {
        Self(timer)
    }
}

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        let end = Instant::now().as_nanos() + u64::from(ns);
        loop {
            let left = end.saturating_sub(Instant::now().as_nanos());
            if left == 0 {
                return;
            }
            let before = self.0.expirations();
            // A host that refuses the timer leaves the clock: then this is a busy wait.
            if self.0.start_ns(left, 0).is_ok() {
                cpu::idle_until(|_| self.0.expirations() != before);
            }
        }
    }
}
