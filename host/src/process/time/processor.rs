// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time that is the processor time of the vCPU's thread, or so many times that, and what it has skipped while it
//! idled.
//!
//! To read a thread's processor time is a system call, to read the monotonic clock is none. Within a short time after
//! such a call the thread has hardly been without a processor, so the monotonic clock shows how far it has come.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use super::{Slowdown, monotonic, processor_time};

/// For as long as this after a reading of the processor time the monotonic clock counts in its place, in ns. The
/// processor time is ahead by that at most, if meanwhile the thread had no processor; it stands until that is made up
/// for.
const NEAR: u64 = 50_000;

/// All in ns. A signal handler may interrupt a reading and read itself.
pub(super) struct ProcessorClock {
    slowdown: Slowdown,
    /// Processor time less the monotonic clock, wrapped.
    offset: AtomicU64,
    /// Until when on the monotonic clock that is near enough.
    near: AtomicU64,
    /// The latest that was read: time never steps back.
    latest: AtomicU64,
    /// What guest time is ahead of the processor's, wrapped.
    ahead: AtomicU64,
    /// The latest guest time that was given out.
    given: AtomicU64,
}

impl ProcessorClock {
    /// Guest time starts now, on this thread.
    pub(super) fn new(slowdown: Slowdown) -> Self {
        let clock = Self {
            slowdown,
            offset: AtomicU64::new(0),
            near: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            given: AtomicU64::new(0),
        };
        clock.begin();
        clock
    }

    /// Guest time starts now.
    pub(super) fn begin(&self) {
        self.ahead
            .store(self.computed(monotonic()).wrapping_neg(), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> u64 {
        self.at(monotonic())
    }

    /// Guest time to give out, and whether it has come to `limit`. What is beyond has not passed, unless it was given out
    /// before: it is the host's, and the machine's, until the guest is interrupted.
    pub(super) fn up_to(&self, limit: u64) -> (u64, bool) {
        loop {
            let given = self.given.load(Ordering::Relaxed);
            let ahead = self.ahead.load(Ordering::Relaxed);
            let now = self.computed(monotonic()).wrapping_add(ahead).max(given);
            let time = now.min(limit.max(given));
            let rest = ahead.wrapping_sub(now - time);
            // Unless a handler has come between, and left it out already.
            let set = self
                .ahead
                .compare_exchange(ahead, rest, Ordering::Relaxed, Ordering::Relaxed);
            if set.is_ok() {
                let given = self.given.fetch_max(time, Ordering::Relaxed);
                return (time.max(given), now >= limit);
            }
        }
    }

    /// Guest time now, which is `now` on the monotonic clock.
    pub(super) fn at(&self, now: u64) -> u64 {
        self.computed(now).wrapping_add(self.ahead.load(Ordering::Relaxed))
    }

    /// Processor time in ns in which the guest comes to that time, if it is `now` on the monotonic clock.
    pub(super) fn rest(&self, time: u64, now: u64) -> u64 {
        time.saturating_sub(self.at(now)).div_ceil(self.slowdown.get().into())
    }

    /// Goes on from that time, unless it has passed. Returns by how much.
    pub(super) fn skip_to(&self, time: u64) -> u64 {
        let rest = time.saturating_sub(self.now());
        self.ahead.fetch_add(rest, Ordering::Relaxed);
        rest
    }

    /// Guest time in ns that the guest has computed, wrapped.
    fn computed(&self, now: u64) -> u64 {
        self.processor(now).wrapping_mul(self.slowdown.get().into())
    }

    fn processor(&self, now: u64) -> u64 {
        let reading = if now < self.near.load(Ordering::Relaxed) {
            // A handler that has come since the monotonic clock was read may have left an offset of a later time, by
            // which this is too early, or even before the thread's start.
            let reading = now.wrapping_add(self.offset.load(Ordering::Relaxed));
            reading.cast_signed().max(0).cast_unsigned()
        } else {
            let reading = processor_time();
            // A handler that comes between finds an offset that was good until now, or reads anew.
            self.near.store(0, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            self.offset.store(reading.wrapping_sub(now), Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            self.near.store(now.saturating_add(NEAR), Ordering::Relaxed);
            reading
        };
        reading.max(self.latest.fetch_max(reading, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::hint;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_counts_the_thread_alone_and_what_is_skipped() {
        let clock = ProcessorClock::new(Slowdown::NONE);
        let start = processor_time();
        thread::sleep(Duration::from_millis(200));
        let slept = clock.now();
        assert!(slept < 100_000_000, "{slept} ns of sleep");
        let mut before = slept;
        while processor_time() - start < 20_000_000 {
            for _ in 0..100 {
                let now = clock.now();
                assert!(now >= before, "back from {before} to {now}");
                before = now;
                hint::spin_loop();
            }
        }
        let (least, most) = (20_000_000, processor_time() - start + NEAR);
        let now = clock.now();
        assert!((least..=most).contains(&now), "{now}, not {least} to {most}");
        let day = 86_400_000_000_000;
        clock.skip_to(day);
        assert!((day..day + 100_000_000).contains(&clock.now()));
        clock.skip_to(5);
        assert!(clock.now() >= day);
        // It stands where it is to be interrupted, and goes on from there.
        let limit = clock.now() + 1_000_000;
        while !clock.up_to(limit).1 {}
        assert_eq!(clock.up_to(limit), (limit, true));
        assert_eq!(clock.up_to(limit), (limit, true));
        let (time, is_there) = clock.up_to(limit + 500_000_000);
        assert!(
            !is_there && (limit..limit + 100_000_000).contains(&time),
            "{}",
            time - limit
        );
        assert_eq!(clock.up_to(limit), (time, true), "it does not step back");
    }
    #[test]
    fn a_slower_processor_comes_as_far_in_more_time() {
        let clock = ProcessorClock::new(Slowdown::new(100).expect("in range"));
        let start = processor_time();
        while processor_time() - start < 20_000_000 {
            hint::spin_loop();
        }
        let now = clock.now();
        let (least, most) = (2_000_000_000, (processor_time() - start + NEAR) * 100);
        assert!((least..=most).contains(&now), "{now}, not {least} to {most}");
        let rest = clock.rest(now + 1_000_000_000, monotonic());
        assert!((5_000_000..=10_000_000).contains(&rest), "{rest}");
    }
}
