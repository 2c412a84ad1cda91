// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event channels: which port means what, and the scan of the two-level bitmap of pending ones.

use core::sync::atomic::Ordering;
#[cfg(target_arch = "aarch64")]
use core::sync::atomic::fence;

use paravirt_abi::line;

use super::shared::{PAGE, WORD_BITS};
use super::{console, hypercall};
use crate::backend::lines;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::backend::timers;
use crate::local::Local;
use crate::machine::message;
use crate::vcpu;

/// Virtual interrupt of the timers.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) const VIRQ_TIMER: u32 = 0;
/// Virtual interrupt of input on Xen's own console, for the domain that controls the machine.
pub(super) const VIRQ_CONSOLE: u32 = 2;

/// No event channel: Xen never hands out port 0.
const NONE: u32 = 0;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
static TIMER: Local<u32> = Local::new(NONE);
static CONSOLE: Local<u32> = Local::new(NONE);
/// Whether an event that nobody has asked for was reported.
static REPORTED: Local<bool> = Local::new(false);

/// Masks every channel: those that are bound are unmasked one by one.
pub(super) fn start() {
    for word in &PAGE.mask {
        word.store(usize::MAX, Ordering::Relaxed);
    }
}

/// Lets events of `port` mean the timer.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) fn bind_timer(port: u32) {
    TIMER.set(port);
    hypercall::unmask(port);
}

/// Lets events of `port` mean that the console has input, or room for output.
pub(super) fn bind_console(port: u32) {
    CONSOLE.set(port);
    hypercall::unmask(port);
}

/// Takes every pending event. Called while no event callback can come.
///
/// Xen sets the channel's bit, then the selector's, then the flag; so here the flag is cleared first, then the
/// selector, then the channel. On x86 all three are locked instructions, which are full barriers; on AArch64 barriers
/// keep the channel from being read before the selector is cleared for the processor that Xen runs on, and what the
/// event is about before the channel is.
pub(super) fn take() {
    PAGE.vcpu.upcall_pending.swap(0, Ordering::SeqCst);
    let mut selector = PAGE.vcpu.selector.swap(0, Ordering::SeqCst);
    #[cfg(target_arch = "aarch64")]
    fence(Ordering::SeqCst);
    while selector != 0 {
        let index = selector.trailing_zeros();
        selector &= selector - 1;
        let word = &PAGE.pending[index as usize];
        let mask = PAGE.mask[index as usize].load(Ordering::Relaxed);
        let mut pending = word.load(Ordering::Relaxed) & !mask;
        while pending != 0 {
            let bit = pending.trailing_zeros();
            pending &= pending - 1;
            // Before its handler, so that an event during it is not lost.
            word.fetch_and(!(1 << bit), Ordering::SeqCst);
            #[cfg(target_arch = "aarch64")]
            fence(Ordering::SeqCst);
            deliver(index * WORD_BITS + bit);
        }
    }
}

fn deliver(port: u32) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if port == TIMER.get() {
        // SAFETY: the entry of events.
        return unsafe { timers::expire() };
    }
    if port == CONSOLE.get() {
        if console::has_input() {
            lines::signal(line::CONSOLE);
        }
    } else {
        stray(port);
    }
}

/// Counts an event that nobody has asked for, lets no other come of that channel, and reports the first one.
#[cold]
fn stray(port: u32) {
    let mask = &PAGE.mask[(port / WORD_BITS) as usize];
    mask.fetch_or(1 << (port % WORD_BITS), Ordering::Relaxed);
    let count = vcpu::spurious();
    count.write(count.read().wrapping_add(1));
    if !REPORTED.get() {
        REPORTED.set(true);
        message::say(format_args!("event on channel {port}, which nobody has bound; masked"));
    }
}
