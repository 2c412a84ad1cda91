// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core's guest stands on here: this process, its console, clock and timers, its signals, and closures.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::line::CONSOLE;
use paravirt_abi::signature::{Signature, Width};
use paravirt_abi::start::Features;
use paravirt_host_core::guest::{self, Frame, Platform};
use paravirt_host_core::lines::Lines;
use paravirt_host_core::page::Page;
use paravirt_host_core::timers::NEVER;

use super::call::Call;
use super::clock::{self, Clock, monotonic};
use super::console::Console;
use super::dispositions;
use super::functions::Erased;
use super::lines::{LineHandle, SharedLines};
use super::step::Stepping;
use super::thread_pointer::ThreadPointer;
use super::time::{Alarm, Ender, PosixTimer};

/// A guest of this host.
pub(super) type Guest = guest::Guest<Host>;

/// A closure, and how often it was called.
pub(super) struct Function {
    function: Erased,
    calls: Cell<u64>,
}

impl Function {
    pub(super) fn new(function: &Erased) -> Self {
        Self {
            function: Rc::clone(function),
            calls: Cell::new(0),
        }
    }

    pub(super) const fn calls(&self) -> u64 {
        self.calls.get()
    }
}

/// This process. Host functions and signal handlers use it on the vCPU's thread, and a handler may interrupt a host function at any
/// instruction.
pub(super) struct Host {
    width: Width,
    console: Console,
    pub(super) lines: Arc<SharedLines>,
    pub(super) clock: Clock,
    pub(super) alarm: Alarm,
    pub(super) ender: Ender,
    /// Whether a signal has come since the guest was last idle.
    woken: AtomicBool,
    pub(super) thread_pointer: ThreadPointer,
    pub(super) stepping: Stepping,
    idles: Cell<u64>,
    idle_ns: Cell<u64>,
}

impl Host {
    pub(super) fn new(
        width: Width,
        console: Console,
        keeps_clock: bool,
        thread_pointer: ThreadPointer,
        stepping: Stepping,
    ) -> Self {
        Self {
            width,
            console,
            lines: Arc::default(),
            clock: Clock::new(keeps_clock),
            alarm: Alarm::default(),
            ender: Ender::default(),
            woken: AtomicBool::new(false),
            thread_pointer,
            stepping,
            idles: Cell::new(0),
            idle_ns: Cell::new(0),
        }
    }

    /// From now on this thread is the vCPU's, with these timers. `limit`: when the guest's time is over, in ns of the monotonic clock.
    pub(super) fn begin(&self, alarm: &PosixTimer, ender: &PosixTimer, limit: u64) {
        self.alarm.use_timer(Some(alarm));
        self.ender.use_timer(Some(ender), limit);
        self.schedule_sample();
        self.lines.set_thread(Some(dispositions::this_thread()));
    }

    /// The reverse of [`begin`](Self::begin); ends reading and restores the terminal.
    pub(super) fn end(&self) {
        self.lines.set_thread(None);
        self.ender.use_timer(None, NEVER);
        self.alarm.use_timer(None);
        self.thread_pointer.end();
        self.console.finish();
    }

    /// Anchors the page's clock anew. For the alarm's handler.
    pub(super) fn sample_clock(&self, page: Page) {
        self.clock.sample(page);
        self.schedule_sample();
    }

    fn schedule_sample(&self) {
        if let Some(pause) = self.clock.pause() {
            self.alarm.set_sample(monotonic() + pause);
        }
    }

    /// Why output of the guest was lost, if any was.
    pub(super) fn lost(&self) -> Option<io::Error> {
        self.console.failure()
    }

    /// Why the guest could not have its input, if it has asked for it.
    pub(super) fn unread(&self) -> Option<io::Error> {
        self.console.refusal()
    }

    /// A signal has come that may end the guest's idling. For the handler.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
    }

    /// `pv_cpu_idle`
    pub(super) fn count_idle(&self, idle: impl FnOnce()) {
        let start = monotonic();
        idle();
        self.idles.set(self.idles.get() + 1);
        self.idle_ns.set(self.idle_ns.get() + (monotonic() - start));
    }

    /// Number of idle calls, and ns in them.
    pub(super) const fn idle(&self) -> (u64, u64) {
        (self.idles.get(), self.idle_ns.get())
    }

    pub(super) fn line(&self, line: u32) -> Result<LineHandle, Error> {
        LineHandle::new(&self.lines, line)
    }
}

impl Platform for Host {
    type Function = Function;

    /// Linux's, of all processes.
    const CODE_32: Option<u16> = Some(0x23);
    /// Signals have their own. A guest that uses its stack before it has one finds out.
    const STACK_FOR_EVENTS: bool = false;

    #[inline]
    fn call(guest: &Guest, function: &Function, _: Signature, frame: &mut Frame, stack_bytes: u64) {
        function.calls.set(function.calls.get() + 1);
        // SAFETY: frame and guest outlive the call, and the gate does not touch the frame meanwhile; the core has checked the stack.
        let mut call = unsafe { Call::new(frame, guest, stack_bytes) };
        (function.function)(&mut call);
    }

    fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines.lines)
    }

    fn features(&self) -> Features {
        let mut features = Features::empty();
        features.set(Features::CLOCK_TSC, self.clock.pause().is_some());
        features
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn start(&self) -> u64 {
        // As the page's clock has it.
        0
    }

    fn wall(&self) -> u64 {
        clock::wall()
    }

    fn set_alarm(&self, deadline: u64) {
        self.alarm.set_timers(match deadline {
            NEVER => NEVER,
            _ => monotonic().saturating_add(deadline.saturating_sub(self.clock.now())),
        });
    }

    fn wait(&self) {
        // Signals are blocked from the look at what has come until the sleep, so no wake-up is lost between.
        if !self.woken.swap(false, Ordering::SeqCst) {
            dispositions::with_blocked(|wait| {
                while !self.woken.swap(false, Ordering::SeqCst) {
                    wait();
                }
            });
        }
    }

    fn console_write(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.console.write(bytes)
    }

    fn console_attach(&self) -> Result<(), Error> {
        self.console.start(self.line(CONSOLE)?)
    }

    fn console_read(&self, buffer: &mut [u8]) -> Result<(usize, bool), Error> {
        self.console_attach()?;
        let (bytes, more) = self.console.read(buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok((bytes.len(), more))
    }

    fn set_tls(&self, base: u64) -> Result<(), Error> {
        self.thread_pointer.set(self.width, base)
    }

    #[inline]
    fn enter_host(&self) {
        self.thread_pointer.enter_host();
        self.stepping.enter_host();
    }

    #[inline]
    fn leave_host(&self) {
        self.thread_pointer.leave_host();
        self.stepping.leave_host();
    }
}
