// SPDX-License-Identifier: MIT OR Apache-2.0
//! All timers of the guest on one one-shot timer of the host.
//!
//! The backend's timer interrupt may come at any instant, also while the timers are being changed.
//!
//! ```no_run
//! use paravirt_bsp::backend::timers::{self, NEVER, Source};
//!
//! static SOURCE: Source = Source {
//!     now: my_clock,
//!     arm: |deadline| match deadline {
//!         NEVER => {} // an alarm that comes all the same does no harm
//!         _ => my_alarm(deadline),
//!     },
//! };
//!
//! /// At the start of the backend.
//! fn start() {
//!     // SAFETY: both are hypercalls.
//!     unsafe { timers::set_source(&SOURCE) };
//! }
//!
//! /// Where the alarm interrupts the guest.
//! fn on_alarm() {
//!     // SAFETY: an entry of the host.
//!     unsafe { timers::expire() };
//! }
//! # extern "C" fn my_clock() -> u64 { 0 }
//! # fn my_alarm(_deadline: u64) {}
//! # fn main() {}
//! ```

use paravirt_abi::error::Error;
use paravirt_abi::line;
pub use paravirt_vcpu::timers::NEVER;
use paravirt_vcpu::timers::{Alarm, Timers};

use super::lines;
use crate::local::Local;
use crate::{cpu, vcpu};

crate::in_guest_functions! {
    /// The bodies of all functions for timers.
    pub const FUNCTIONS = {
        pv_timer_start = start,
        pv_timer_stop = stop,
    };
}

/// The host's clock and its one-shot timer.
#[derive(Debug)]
pub struct Source {
    /// Guest time in ns.
    pub now: extern "C" fn() -> u64,
    /// Sets the host's timer to that guest time in ns, which is below 2^63; a time that has passed already means at
    /// once, [`NEVER`] that no interrupt is wanted, though one does no harm. Called with the virtual interrupt flag
    /// off, or by whoever calls [`expire`], and not by an interrupt in the midst of itself.
    pub arm: fn(deadline: u64),
}

impl Alarm for Source {
    fn now(&self) -> u64 {
        (self.now)()
    }

    fn set(&self, deadline: u64) {
        (self.arm)(deadline);
    }

    fn count(&self, timer: u32, _due: u64, expirations: u64) {
        let counter = vcpu::timer_expirations(timer);
        counter.write(counter.read() + expirations);
        lines::signal(line::TIMER);
    }
}

/// The timers of the one vCPU.
struct Table(Timers);

// SAFETY: there is one vCPU, so there is no second thread; what an interrupt may do in the midst of something else is
// the type's own promise.
unsafe impl Sync for Table {}

static TABLE: Table = Table(Timers::new());
static SOURCE: Local<Option<&'static Source>> = Local::new(None);

/// Sets what the functions below stand on; without it they say that the device failed. For the start of a backend.
///
/// # Safety
/// Its functions are called by [`expire`], and so by an entry that interrupts the critical sections of others: they
/// touch what is theirs alone.
pub unsafe fn set_source(source: &'static Source) {
    SOURCE.set(Some(source));
}

/// Body of `pv_timer_start`. Without interrupts, because a handler may want to change a timer as well.
pub extern "C" fn start(timer: u32, first: u64, period: u64) -> i32 {
    let Some(source) = SOURCE.get() else {
        return Error::Device.number();
    };
    Error::status(cpu::without_interrupts(|_| TABLE.0.start(source, timer, first, period)))
}

/// Body of `pv_timer_stop`.
pub extern "C" fn stop(timer: u32) -> i32 {
    start(timer, NEVER, 0)
}

/// For the backend's timer interrupt, at any instant: counts what has expired, raises the timer line, arms the host's
/// timer for the next deadline.
///
/// # Safety
/// By an entry of the host, or with interrupts off: no handler comes amid it.
pub unsafe fn expire() {
    if let Some(source) = SOURCE.get() {
        TABLE.0.expire(source);
    }
}
