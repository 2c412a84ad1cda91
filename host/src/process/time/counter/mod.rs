// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real time, by the clock in the vCPU page which the guest reads without a call.
//!
//! What the page's clock shows is [`Anchor`]'s to say; here are the readings for it. The page's clock starts invalid,
//! because the counter's rate is not known until some time has passed.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use paravirt_host_core::clock::{self, Anchor, ClockFields, Sample};
use paravirt_host_core::page::Page;

use super::monotonic;

/// The tightest of a few readings, so that an interruption between the clocks does no harm.
fn sample(counter: fn() -> u64) -> Sample {
    let read = || Sample {
        before: monotonic(),
        counter: counter(),
        after: monotonic(),
    };
    (0..4).map(|_| read()).min_by_key(Sample::width).unwrap_or_else(read)
}

/// Of the counter, if it may be read.
fn first_sample(usable: bool) -> Sample {
    sample(if usable { machine::read } else { || 0 })
}

/// The host's monotonic clock and the processor's counter.
pub(super) struct CounterClock {
    anchor: Cell<Anchor>,
    /// What the page's clock shows: the anchor's.
    fields: Cell<Option<ClockFields>>,
    /// Counts changes of both, for readers that a signal interrupts.
    generation: AtomicU32,
    /// Whether the counter may be read.
    usable: bool,
}

impl CounterClock {
    pub(super) fn new() -> Self {
        let usable = usable();
        Self {
            anchor: Cell::new(Anchor::new(first_sample(usable))),
            fields: Cell::new(None),
            generation: AtomicU32::new(0),
            usable,
        }
    }

    /// Guest time starts now.
    pub(super) fn begin(&self) {
        self.anchor.set(Anchor::new(first_sample(self.usable)));
    }

    /// Time in ns from now to the next sample; `None`: the page's clock is not kept.
    pub(super) fn pause(&self) -> Option<u64> {
        self.usable.then(|| self.anchor.get().pause())
    }

    /// Guest time in ns, by the same clock that the guest reads.
    pub(super) fn now(&self) -> u64 {
        loop {
            let generation = self.generation.load(Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            let time = match self.fields.get() {
                Some(fields) => fields.at(machine::read()),
                None => self.anchor.get().time(monotonic()),
            };
            compiler_fence(Ordering::SeqCst);
            if self.generation.load(Ordering::Relaxed) == generation {
                return time;
            }
        }
    }

    /// Anchors the clock anew. For the signal handler, on the vCPU's thread.
    pub(super) fn sample(&self, page: Page) {
        let mut anchor = self.anchor.get();
        anchor.sample(sample(machine::read));
        let fields = anchor.fields();
        self.anchor.set(anchor);
        self.fields.set(fields);
        self.generation.fetch_add(1, Ordering::Relaxed);
        match fields {
            Some(fields) => page.set_clock(&fields),
            None => page.clear_clock(),
        }
    }

    /// Steps of guest time until now.
    pub(super) fn steps(&self) -> clock::Steps {
        self.anchor.get().steps()
    }
}

/// Returns whether the counter is a clock, by the word of the kernel: it takes the time from it itself. A processor
/// that says that its counter is invariant does not know of others in the machine, of firmware that sets it, and of the
/// hypervisor. Where the kernel says nothing, the guest calls.
fn usable() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    // Longer than any name; the kernel gives it at once.
    let mut name = [0; 64];
    let read = File::open(SOURCE).and_then(|mut file| file.read(&mut name));
    read.is_ok_and(|length| is_counter(&name[..length]))
}

/// Returns whether that is the name of the counter as the kernel's clock source, where it has taken it for good.
fn is_counter(source: &[u8]) -> bool {
    source.trim_ascii() == machine::SOURCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_a_clock_only_where_the_kernel_says_so() {
        assert!(is_counter(&[machine::SOURCE, b"\n"].concat()));
        for other in ["hpet\n", "acpi_pm\n", "kvm-clock\n", "tsc-early\n", "\n", ""] {
            assert!(!is_counter(other.as_bytes()), "{other:?}");
        }
    }
}
