// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers by number.
//!
//! All timers raise one line; the vCPU page counts the expirations of each, so that none is lost when the line coalesces.
//! Timer [`TICK`] belongs to the operating system, the others to applications.

use core::ffi::c_void;

use embedded_hal::delay::DelayNs;
use paravirt_abi::line::{self, TIMERS};

pub use paravirt_abi::line::TICK;

use crate::local::Local;
use crate::{Error, clock, cpu, interface, irq, result, vcpu};

/// A handler: the timer, how often it expired since the last call (at least 1), and the argument given with [`Timer::attach`].
pub type Handler = extern "C" fn(timer: u32, expirations: u64, argument: *mut c_void);

type Attached = Option<(Handler, *mut c_void)>;

static HANDLERS: [Local<Attached>; TIMERS as usize] = [const { Local::new(None) }; TIMERS as usize];
/// Expirations that the handler has been told of.
static TOLD: [Local<u64>; TIMERS as usize] = [const { Local::new(0) }; TIMERS as usize];

/// One of the timers. Values with one number mean the same timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer(u32);

impl Timer {
    /// The timer of that number, 0 to 7.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number < TIMERS {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Starts the timer anew: it expires `first` ns from now and then every `period` ns; 0 means once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for times that the host cannot keep.
    pub fn start(self, first: u64, period: u64) -> Result<(), Error> {
        match irq::attach(line::TIMER, dispatch, core::ptr::null_mut()) {
            Ok(()) | Err(Error::Busy) => {}
            Err(error) => return Err(error),
        }
        // SAFETY: three numbers.
        result(unsafe { interface::pv_timer_start(self.0, first, period) })
    }

    /// Starts the timer with a period of `period` ns, from now.
    ///
    /// # Errors
    /// As [`Timer::start`].
    pub fn start_periodic(self, period: u64) -> Result<(), Error> {
        self.start(period, period)
    }

    /// Starts the timer to expire once, `delay` ns from now.
    ///
    /// # Errors
    /// As [`Timer::start`].
    pub fn start_once(self, delay: u64) -> Result<(), Error> {
        self.start(delay, 0)
    }

    /// Stops the timer. Expirations that were counted stay counted.
    ///
    /// # Errors
    /// Whatever the host reports.
    pub fn stop(self) -> Result<(), Error> {
        // SAFETY: a number.
        result(unsafe { interface::pv_timer_stop(self.0) })
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

    /// Has `handler` called after each expiration, with what came together in one call. It runs as an interrupt handler does.
    ///
    /// # Errors
    /// [`Error::Busy`] if the timer has a handler.
    pub fn attach(self, handler: Handler, argument: *mut c_void) -> Result<(), Error> {
        let slot = &HANDLERS[self.0 as usize];
        cpu::without_interrupts(|| {
            if slot.get().is_some() {
                return Err(Error::Busy);
            }
            TOLD[self.0 as usize].set(self.expirations());
            slot.set(Some((handler, argument)));
            Ok(())
        })
    }

    /// Takes the handler away.
    ///
    /// # Errors
    /// [`Error::NotAttached`] if there is none.
    pub fn detach(self) -> Result<(), Error> {
        let slot = &HANDLERS[self.0 as usize];
        cpu::without_interrupts(|| {
            slot.get().ok_or(Error::NotAttached)?;
            slot.set(None);
            Ok(())
        })
    }
}

/// The handler of the timer line: calls the handlers of the timers that have expired. [`Timer::start`] attaches it, unless the
/// line has a handler; that one must call this.
pub extern "C" fn dispatch(_line: u32, _argument: *mut c_void) {
    for number in 0..TIMERS {
        let Some((handler, argument)) = HANDLERS[number as usize].get() else {
            continue;
        };
        let told = &TOLD[number as usize];
        let expirations = Timer(number).expirations();
        let fresh = expirations.wrapping_sub(told.get());
        if fresh > 0 {
            told.set(expirations);
            handler(number, fresh, argument);
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
        let end = clock::now() + u64::from(ns);
        loop {
            let left = end.saturating_sub(clock::now());
            if left == 0 {
                return;
            }
            let before = self.0.expirations();
            // A host that refuses the timer leaves the clock: then this is a busy wait.
            if self.0.start_once(left).is_ok() {
                cpu::idle_until(|| self.0.expirations() != before);
            }
        }
    }
}
