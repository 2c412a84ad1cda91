// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notes what happens to a guest, for its [`Trace`].
//!
//! What the guest does between two calls the host does not see. When a line has become pending, it is known by the
//! count of upcalls, by which a guest that was interrupted differs, or by the line, which is pending no more; both are
//! looked at whenever the host is there.

use std::cell::{Cell, RefCell};
use std::collections::TryReserveError;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use paravirt_abi::vcpu::HOST_MASKED;

use super::functions::{Call, Erased, GuestConstPtr, GuestUsize, Provided};
use super::platform::Guest;
use super::time::{Time, monotonic};
use crate::image::{External, Image};
use crate::trace::{Delivery, Direction, Event, MEMORY, Ring, Stamp, TEXT, ThreadName, Trace};

/// No line is pending that the guest has not come to know of.
const NOTHING: u64 = u64::MAX;

/// Of one guest, on its vCPU's thread; a signal handler may interrupt it.
pub(super) struct Recorder {
    ring: Ring,
    time: Time,
    functions: RefCell<Vec<String>>,
    threads: RefCell<Vec<ThreadName>>,
    /// When guest time was 0, on the monotonic clock.
    start: Cell<u64>,
    /// Guest time at which the first line was raised that the guest has not come to know of; else [`NOTHING`].
    raised: AtomicU64,
    /// Guest time at which the first timer was due that has raised a line meanwhile; else [`NOTHING`].
    due: AtomicU64,
    /// Upcalls that have been seen.
    upcalls: Cell<u32>,
    /// The latest guest time that was noted, where that is not the host's.
    latest: AtomicU64,
    /// When the latest call ended.
    left: Cell<Stamp>,
    /// The thread that runs.
    thread: Cell<Option<u32>>,
}

impl Recorder {
    /// With room for events in so many bytes, of a guest whose time passes in that way.
    /// # Errors
    /// There is no memory for the trace.
    pub(super) fn new(memory: u64, time: Time) -> Result<Self, TryReserveError> {
        Ok(Self {
            time,
            ring: Ring::new(memory.clamp(*MEMORY.start(), *MEMORY.end()) as usize)?,
            functions: RefCell::default(),
            threads: RefCell::default(),
            start: Cell::new(0),
            raised: AtomicU64::new(NOTHING),
            due: AtomicU64::new(NOTHING),
            upcalls: Cell::new(0),
            latest: AtomicU64::new(0),
            left: Cell::default(),
            thread: Cell::new(None),
        })
    }

    /// The guest starts now.
    pub(super) fn begin(&self) {
        self.start.set(monotonic());
    }

    /// What there is, when the guest has ended.
    pub(super) fn finish(&self, guest: &Guest, image: &Image) -> Trace {
        Trace {
            guest: image.name().to_owned(),
            time: self.time.to_string(),
            functions: self.functions.borrow().clone(),
            events: self.ring.events(),
            lost: self.ring.lost(),
            threads: self.threads.take(),
            end: self.now(guest),
        }
    }

    fn now(&self, guest: &Guest) -> Stamp {
        let clock = &guest.platform().schedule.clock;
        let time = clock.now();
        if clock.is_real() {
            return Stamp {
                guest: time,
                host: time,
            };
        }
        // What the host itself has taken may turn out not to be the guest's.
        let time = self.latest.fetch_max(time, Ordering::Relaxed).max(time);
        Stamp {
            guest: time,
            host: monotonic().saturating_sub(self.start.get()),
        }
    }

    /// A host function is called.
    #[inline]
    fn enter(&self, guest: &Guest) -> Stamp {
        let now = self.now(guest);
        let upcalls = guest.upcalls();
        if upcalls != self.upcalls.replace(upcalls) {
            self.delivered(guest, now, self.left.get(), Delivery::Call);
        } else if self.raised.load(Ordering::Relaxed) != NOTHING && !guest.page().is_pending() {
            self.delivered(guest, now, now, Delivery::Itself);
        }
        now
    }

    /// A host function has ended.
    #[inline]
    fn leave(&self, guest: &Guest, function: u32, start: Stamp) {
        let end = self.now(guest);
        self.ring.push(Event::Call { function, start, end });
        self.left.set(end);
        if guest.page().is_pending() {
            self.raise(self.raised_outside(guest, end).unwrap_or(end.guest));
        }
    }

    /// Guest time at which another thread has raised a line, if one has since this was asked last.
    fn raised_outside(&self, guest: &Guest, now: Stamp) -> Option<u64> {
        let raised = guest.platform().lines.take_raised()?;
        // As if guest time had gone by the clock for so long.
        let ago = monotonic().saturating_sub(raised);
        Some(now.guest.saturating_sub(ago))
    }

    /// A line is pending since that guest time, if none was.
    fn raise(&self, time: u64) {
        let none = NOTHING;
        let _ = (self.raised).compare_exchange(none, time, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What was pending has come to the guest `at` that moment, as is found now.
    fn delivered(&self, guest: &Guest, now: Stamp, at: Stamp, delivery: Delivery) {
        let raised = self.raised.swap(NOTHING, Ordering::Relaxed);
        let due = self.due.swap(NOTHING, Ordering::Relaxed);
        let outside = self.raised_outside(guest, now);
        let first = outside.unwrap_or(NOTHING).min(raised);
        let lines = match delivery {
            Delivery::Signal | Delivery::Wakeup => guest.page().pending().load(Ordering::Relaxed) & !HOST_MASKED,
            // The guest has taken them from there.
            Delivery::Call | Delivery::Itself => 0,
        };
        self.ring.push(Event::Interrupt {
            at,
            lines,
            delivery,
            raised: (first != NOTHING).then(|| first.min(at.guest)),
            due: (due != NOTHING).then_some(due),
        });
    }

    /// A signal may have interrupted the guest. For its handler.
    pub(super) fn interrupted(&self, guest: &Guest) {
        let upcalls = guest.upcalls();
        if upcalls != self.upcalls.replace(upcalls) {
            let now = self.now(guest);
            self.delivered(guest, now, now, Delivery::Signal);
        }
    }

    /// A timer has expired, see [`Platform::expired`](paravirt_host_core::guest::Platform::expired).
    pub(super) fn expired(&self, guest: &Guest, timer: u32, due: u64, expirations: u64) {
        let at = self.now(guest);
        self.ring.push(Event::Tick {
            at,
            timer,
            due,
            expirations,
        });
        if guest.page().is_pending() {
            self.raise(at.guest);
            let none = NOTHING;
            let _ = (self.due).compare_exchange(none, due, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The guest's operating system tells what it does.
    fn told(&self, call: &Call, event: u32, thread: u32, text: GuestConstPtr<u8>, length: u32) {
        let guest = call.guest();
        let at = self.enter(guest);
        match event {
            SWITCH if self.thread.replace(Some(thread)) != Some(thread) => {
                self.ring.push(Event::Switch { at, thread });
            }
            NAME => self.name(call, at.guest, thread, text, length),
            HANDLER_BEGINS | HANDLER_ENDS => {
                let begins = event == HANDLER_BEGINS;
                if begins && self.raised.load(Ordering::Relaxed) != NOTHING {
                    self.delivered(guest, at, at, Delivery::Itself);
                }
                self.ring.push(Event::Handler { at, begins });
            }
            _ => {}
        }
        self.left.set(self.now(guest));
    }

    fn name(&self, call: &Call, from: u64, thread: u32, text: GuestConstPtr<u8>, length: u32) {
        /// More is no name, and more threads nobody looks at.
        const LONGEST: u32 = 64;
        const MOST: usize = 1 << 16;
        let mut threads = self.threads.borrow_mut();
        if threads.len() == MOST {
            return;
        }
        let length = GuestUsize(length.min(LONGEST).into());
        let name = call.bytes(text, length).unwrap_or_default();
        let name = name.trim_ascii_end().escape_ascii().to_string();
        let is_known = |one: &&ThreadName| one.thread == thread;
        if (threads.iter().rev().find(is_known)).is_none_or(|known| known.name != name) {
            threads.push(ThreadName { from, thread, name });
        }
    }

    fn add(&self, name: &str) -> u32 {
        let mut functions = self.functions.borrow_mut();
        functions.push(name.to_owned());
        (functions.len() - 1) as u32
    }
}

/// The variable in RTEMS' BSP by which a guest is asked to tell what its threads do: a pointer to a function.
const HOOK: &str = "paravirt_trace_hook";

/// What is told, in ffi/rtems/bsp/shared/include/bsp/trace.h.
const SWITCH: u32 = 1;
const NAME: u32 = 2;
const HANDLER_BEGINS: u32 = 3;
const HANDLER_ENDS: u32 = 4;

/// The pointer in the image for [`told`], if there is one.
pub(super) fn hook(image: &Image) -> Option<External> {
    Some(External {
        name: HOOK.to_owned(),
        slot: image.symbols().address_of(HOOK)?,
        symbol: 0,
        signature: Some(hook_function(|_, _, _, _, _| {}).signature(image.machine().width())),
    })
}

/// The function for it.
pub(super) fn told(recorder: &Rc<Recorder>) -> Provided {
    let recorder = Rc::clone(recorder);
    hook_function(move |call, event, thread, text, length| recorder.told(call, event, thread, text, length))
}

fn hook_function(function: impl Fn(&Call, u32, u32, GuestConstPtr<u8>, u32) + 'static) -> Provided {
    Provided::new(move |call: &mut Call, event, thread, text, length| function(call, event, thread, text, length))
}

/// The function of that name, and around it what notes its calls.
pub(super) fn traced(recorder: &Rc<Recorder>, name: &str, function: Erased) -> Erased {
    let index = recorder.add(name);
    let recorder = Rc::clone(recorder);
    match name {
        "pv_console_write" => console(recorder, index, Direction::Out, function),
        "pv_console_read" => console(recorder, index, Direction::In, function),
        crate::trace::IDLE => Rc::new(Box::new(move |call: &mut Call| {
            let start = recorder.enter(call.guest());
            function(call);
            recorder.leave(call.guest(), index, start);
            if recorder.raised.load(Ordering::Relaxed) != NOTHING {
                // It has interrupts off here, and turns them on next.
                let now = recorder.left.get();
                recorder.delivered(call.guest(), now, now, Delivery::Wakeup);
            }
        })),
        _ => Rc::new(Box::new(move |call: &mut Call| {
            let start = recorder.enter(call.guest());
            function(call);
            recorder.leave(call.guest(), index, start);
        })),
    }
}

/// A function that takes a buffer, and returns how many bytes of it.
fn console(recorder: Rc<Recorder>, index: u32, direction: Direction, function: Erased) -> Erased {
    Rc::new(Box::new(move |call: &mut Call| {
        let start = recorder.enter(call.guest());
        let buffer = call.arguments().word();
        function(call);
        let count = call.signed_result();
        if let Ok(bytes @ 1..) = u64::try_from(count) {
            let mut text = [0; TEXT];
            let shown = (TEXT as u64).min(bytes);
            if let Ok(first) = call.memory().read(buffer, shown) {
                text[..first.len()].copy_from_slice(&first);
            }
            let at = recorder.now(call.guest());
            recorder.ring.push(Event::Console {
                at,
                direction,
                bytes,
                text,
            });
        }
        recorder.leave(call.guest(), index, start);
    }))
}
