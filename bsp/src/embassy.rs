// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time driver of Embassy: `embassy-time` on the guest's clock and one of its timers.
//!
//! The tick rate is the one that `embassy-time` is built with, 1 MHz unless a feature of it says otherwise. The example
//! `examples/embassy` has an executor and tasks.
//!
//! ```no_run
//! use paravirt_bsp::embassy;
//! use paravirt_bsp::timer::Timer;
//!
//! const TIMER: Timer = Timer::new(7).expect("there are 8 timers");
//!
//! fn run() -> Result<(), paravirt_bsp::Error> {
//!     embassy::init(TIMER)
//!     // From here on, `embassy_time::Timer::after_millis(20).await` works.
//! }
//! # fn main() {}
//! ```

use core::cell::{Cell, RefCell};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use crate::clock::Instant;
use crate::timer::Timer;
use crate::{Error, cpu};

const NS_PER_S: u64 = 1_000_000_000;
/// What the queue says if nothing is scheduled.
const NEVER: u64 = u64::MAX;

struct TimeDriver {
    queue: Mutex<RefCell<Queue>>,
    timer: Mutex<Cell<Option<Timer>>>,
}

embassy_time_driver::time_driver_impl!(static DRIVER: TimeDriver = TimeDriver {
    queue: Mutex::new(RefCell::new(Queue::new())),
    timer: Mutex::new(Cell::new(None)),
});

/// Gives the driver its timer, which nobody else may use. Wake-ups that were scheduled before count from now on.
///
/// # Errors
/// [`Error::Busy`] if the timer has a handler, or the driver a timer; whatever the host reports.
pub fn init(timer: Timer) -> Result<(), Error> {
    cpu::without_interrupts(|section| {
        if DRIVER.timer.borrow(section).get().is_some() {
            return Err(Error::Busy);
        }
        // A host without timers says so here.
        timer.stop()?;
        timer.attach(&|_, _| cpu::without_interrupts(|section| DRIVER.wake(section)))?;
        DRIVER.timer.borrow(section).set(Some(timer));
        DRIVER.wake(section);
        Ok(())
    })
}

impl TimeDriver {
    /// Wakes whoever is due and starts the timer for the next one.
    fn wake(&self, section: CriticalSection<'_>) {
        let Some(timer) = self.timer.borrow(section).get() else {
            return;
        };
        let next = self.queue.borrow_ref_mut(section).next_expiration(self.now());
        if next != NEVER {
            let left = ticks_to_ns(next).saturating_sub(Instant::now().as_nanos());
            // Times are never refused, but for a timer that does not exist.
            let _ = timer.start_ns(left, 0);
        }
    }
}

impl Driver for TimeDriver {
    fn now(&self) -> u64 {
        let ns = Instant::now().as_nanos();
        if NS_PER_S.is_multiple_of(TICK_HZ) {
            ns / (NS_PER_S / TICK_HZ)
        } else {
            (u128::from(ns) * u128::from(TICK_HZ) / u128::from(NS_PER_S)) as u64
        }
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        cpu::without_interrupts(|section| {
            if self.queue.borrow_ref_mut(section).schedule_wake(at, waker) {
                self.wake(section);
            }
        });
    }
}

/// The first ns at which the clock shows that many ticks.
fn ticks_to_ns(ticks: u64) -> u64 {
    let ns = (u128::from(ticks) * u128::from(NS_PER_S)).div_ceil(u128::from(TICK_HZ));
    u64::try_from(ns).unwrap_or(u64::MAX)
}
