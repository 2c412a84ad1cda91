// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest in the host's own address space: from its image to its end.
//!
//! What is below the host is a [`Platform`]. While the guest runs, the platform's event handlers call [`Guest::alarm`],
//! [`Guest::deliver`] and [`Guest::fault`] on the vCPU's thread, at any instruction; host functions are not disturbed
//! by that: what comes during one is done when it ends.

mod call;
mod end;
mod event;
mod interface;
mod load;
mod platform;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, compiler_fence};

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;

#[cfg(not(target_arch = "x86"))]
pub use end::Left;
pub use end::{End, EndKind, Stopped};
pub use load::{Function, GuestError, Provide, Request, policy};
pub use platform::Platform;

#[cfg(target_arch = "aarch64")]
use crate::fault::AnyRegisters;
#[cfg(not(target_arch = "x86"))]
use crate::fault::Cause;
#[cfg(target_arch = "x86_64")]
use crate::fault::Registers;
use crate::fault::{Fault, Record};
pub use crate::gate::Frame;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use crate::gate::call_c;
use crate::gate::{self, Code, STATE, Start};
use crate::image::{Access, Image};
use crate::lines::Lines;
use crate::memory::GuestMemory;
use crate::page::Page;
use crate::timers::{NEVER, Timers};
use call::Binding;

/// A guest with its vCPU.
///
/// Host functions and event handlers share it on one thread, and a handler may interrupt a host function at any
/// instruction. What both change is atomic; the timers are changed by a handler only if no host function runs.
pub struct Guest<P: Platform> {
    platform: P,
    width: Width,
    memory: GuestMemory,
    page: Page,
    /// Address of the counter of upcalls, in the guest's memory, where the tails find it.
    upcalls: u64,
    /// Whether the page is the guest's, so that it can be interrupted.
    pub(crate) takes_interrupts: bool,
    lines: Arc<Lines>,
    timers: Timers,
    /// Of the image's external functions, and behind them of hooks.
    bindings: Vec<Binding<P::Function>>,
    /// How many of them are the image's.
    externals: usize,
    code: Code,
    /// Addresses of the host's own code in the guest's memory: stubs, tails, landings.
    gates: Range<u64>,
    start: Start,
    /// The platform's time when guest time was 0.
    start_time: u64,
    /// Why the guest is to be left: an [`End`] as a word, 0 if it is not.
    end: AtomicU64,
    /// Whether host code runs: between entering and leaving the host. On the vCPU's thread, as the next.
    in_host: AtomicBool,
    /// Whether the alarm has come and nobody has looked at the timers.
    alarm_due: AtomicBool,
    overruns: AtomicU64,
    fault: Cell<Option<Record>>,
    /// Index of the function that the guest has called last; of none before the first call.
    last_call: Cell<u32>,
    has_run: AtomicBool,
}

/// Pointer width of the host.
pub const WIDTH: Width = gate::MACHINE.width();

/// Why a guest cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    /// Another guest runs.
    #[error("a guest runs already; run one after the other")]
    Occupied,
    /// It has run.
    #[error("the guest has run already; make another one of its image")]
    HasRun,
}

impl<P: Platform> Guest<P> {
    /// Runs the guest to its end, on this thread.
    ///
    /// # Errors
    /// If another guest runs, or this one has run.
    ///
    /// # Safety
    /// The host's functions have the prototypes they were given with, and the platform keeps to its contract. The guest
    /// is not moved or dropped meanwhile.
    pub unsafe fn enter(&self) -> Result<End, EnterError> {
        if self.has_run.load(Ordering::SeqCst) {
            return Err(EnterError::HasRun);
        }
        let this = ptr::from_ref(self).cast_mut().cast();
        let none = ptr::null_mut();
        if STATE
            .guest
            .compare_exchange(none, this, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return Err(EnterError::Occupied);
        }
        self.has_run.store(true, Ordering::SeqCst);
        let page = self.page.address();
        self.code
            .publish(page, self.upcalls, call::host_call::<P>, call::resolve::<P>);
        #[cfg(target_arch = "aarch64")]
        // SAFETY: beside the counter, which is at a page's beginning.
        unsafe {
            ((self.upcalls as usize + gate::MASK) as *mut u64).write(self.platform.signal_mask());
        }
        self.leave_host();
        if !self.in_host() {
            // SAFETY: the guest is mapped, bound and published; the rest is the caller's.
            unsafe { gate::enter(&self.start, &self.end) };
        }
        if !self.in_host() {
            self.enter_host();
        }
        self.platform.set_alarm(NEVER);
        STATE.guest.store(ptr::null_mut(), Ordering::SeqCst);
        let end = End::from_word(self.end.load(Ordering::SeqCst));
        Ok(end.unwrap_or(End::new(EndKind::Fatal, 0)))
    }

    /// The guest that runs, if one does.
    ///
    /// # Safety
    /// Guests that run have this platform, and the reference is not used after the guest's end.
    #[must_use]
    pub unsafe fn current<'a>() -> Option<&'a Self> {
        // SAFETY: a guest that runs is not dropped; the rest is the caller's.
        unsafe { STATE.guest.load(Ordering::SeqCst).cast::<Self>().as_ref() }
    }

    /// What it stands on.
    #[must_use]
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// Pointer width of the guest.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Its functions, in the order of the image's externals; `None` where nobody provides one.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = Option<&P::Function>> {
        (self.bindings[..self.externals].iter()).map(|binding| binding.function.as_ref())
    }

    /// Its vCPU page, or what an image without one has in its place.
    #[must_use]
    pub const fn page(&self) -> Page {
        self.page
    }

    /// Upcalls so far.
    #[must_use]
    pub fn upcalls(&self) -> u32 {
        self.upcall_counter().load(Ordering::Relaxed)
    }

    fn upcall_counter(&self) -> &AtomicU32 {
        // SAFETY: mapped, aligned and writable for the guest's life.
        unsafe { AtomicU32::from_ptr(self.upcalls as *mut u32) }
    }

    /// Expirations so far that came together with an earlier one of the same timer, because the host was late by a
    /// period or more.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    /// The guest's memory.
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// What is mapped for the guest and not for the host's code, sorted by address: what a debugger is shown. One that
    /// could read a gate would take it for a function with a frame pointer, and lose the callers; where it can read
    /// nothing, it takes the word on the stack for a return address, as it is in stubs and tails.
    pub fn own_mappings(&self) -> impl Iterator<Item = (Range<u64>, Access)> {
        (self.memory.mappings()).filter(|(range, _)| !range.contains(&self.gates.start))
    }

    /// Returns whether that is the address of code of the host's in the guest's memory.
    #[must_use]
    pub fn is_gate(&self, address: u64) -> bool {
        self.gates.contains(&address)
    }

    /// Text that the guest's layer has collected and not sent, if a fault ended the guest: what `printk` of RTEMS has
    /// printed of a line. `image` is the one it was made of.
    #[must_use]
    pub fn collected_text(&self, image: &Image) -> Option<Vec<u8>> {
        /// Of the layer's line there are fewer bytes.
        const MOST: u64 = 4096;
        self.fault.get()?;
        let address = |name| image.symbols().address_of(name);
        let length = self
            .memory
            .pointer(address("__paravirt_console_length")?, self.pointer())?;
        let line = address("__paravirt_console_line")?;
        (1..=MOST)
            .contains(&length)
            .then(|| self.memory.read(line, length).ok())?
    }

    /// What the guest did that it may not, if that ended it; explained with the image it was made of.
    #[must_use]
    pub fn fault_report(&self, image: &Image) -> Option<Fault> {
        let record = self.fault.get()?;
        Some(Fault::new(&record, &self.memory, image))
    }

    /// What the guest did that it may not, if that ended it, as it was recorded.
    #[must_use]
    pub fn fault_record(&self) -> Option<Record> {
        self.fault.get()
    }

    /// The registers as this guest, the last that was entered, was left; `None` if it was left before its first
    /// instruction, or with a stack pointer in a call that leads nowhere. `image` is the one it was made of.
    #[cfg(target_arch = "x86_64")]
    #[must_use]
    pub fn left(&self, image: &Image) -> Option<Left> {
        let mut place = gate::left::place(self.width)?;
        // The host's code in the guest's memory is on the way to a call, or back.
        let (is_on_way, stub) = place.instruction.map_or((false, None), |at| self.code.holds(at));
        let instruction = place.instruction.filter(|_| !is_on_way).or_else(|| {
            let thunk = self.called(stub, image);
            thunk.or_else(|| {
                let (stack, word) = (place.general[7], self.pointer());
                place.general[7] = stack.wrapping_add(word);
                self.memory.pointer(stack, word)
            })
        })?;
        let registers = Registers {
            general: place.general,
            instruction,
            flags: place.flags,
        };
        Some(Left {
            registers: registers.into(),
            units: place.units,
        })
    }

    /// The registers as this guest, the last that was entered, was left by what it may not do or in a call; else
    /// `None`. `image` is the one it was made of.
    #[cfg(target_arch = "aarch64")]
    #[must_use]
    pub fn left(&self, image: &Image) -> Option<Left> {
        let recorded = self.fault.get().and_then(|record| record.registers());
        let registers = recorded.or_else(|| {
            let mut registers = gate::left::in_call()?;
            if let Some(thunk) = self.called(None, image) {
                registers.instruction = thunk;
            }
            Some(AnyRegisters::Aarch64(registers))
        })?;
        Some(Left { registers, units: None })
    }

    /// The entry of the function that the guest was left in, or on its way to, if that is known: of the one whose stub
    /// it is in, if it is in one. `image` is the one it was made of.
    #[cfg(not(target_arch = "x86"))]
    fn called(&self, stub: Option<u32>, image: &Image) -> Option<u64> {
        let called = match self.fault.get().map(|record| record.cause()) {
            _ if stub.is_some() => stub,
            Some(Cause::Unbound(index) | Cause::Arguments(index)) => Some(index),
            Some(Cause::WildCall | Cause::WildResolve) => None,
            _ => self.last_call(),
        };
        called
            .and_then(|index| image.externals().get(index as usize))
            .and_then(|external| image.symbols().address_of(&external.name))
            .filter(|&thunk| self.memory.executable(thunk))
    }

    /// The stack pointer with which the guest was left, if it ended by what it may not do.
    #[must_use]
    pub fn fault_stack(&self) -> Option<u64> {
        self.fault.get().map(|record| record.stack())
    }

    /// Latches a line, from any thread, at any instruction. Returns whether the vCPU's thread is to be interrupted or
    /// woken, so that it calls [`Guest::deliver`] or looks again.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn latch(&self, line: u32) -> Result<bool, Error> {
        self.lines.latch(line)
    }

    /// Returns whether the guest would notice that a line is raised: it is unmasked, and what was raised before has
    /// been taken. On the vCPU's thread.
    #[must_use]
    pub fn is_ready(&self, line: u32) -> bool {
        self.lines.is_ready(self.page.pending(), line)
    }

    /// Asks for the guest's end, from any thread, at any instruction. The first reason counts. It takes effect when a
    /// host function returns, or at the next [`Guest::deliver`] in guest code.
    pub fn stop(&self, code: i32) {
        self.request_end(End::new(EndKind::Stopped, code));
    }

    /// As [`stop`](Self::stop), with another kind of end. Returns whether it is the first reason.
    pub fn request_end(&self, end: End) -> bool {
        let none = 0;
        self.end
            .compare_exchange(none, end.word(), Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// As [`request_end`](Self::request_end), for a host function that does not return to the guest.
    pub fn end(&self, end: End) -> Stopped {
        self.request_end(end);
        Stopped(())
    }

    /// Returns whether the guest is to be left.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.end.load(Ordering::SeqCst) != 0
    }

    /// Returns whether host code runs, of a call: asked on the vCPU's thread, where a handler may have interrupted it.
    #[must_use]
    pub fn in_host(&self) -> bool {
        self.in_host.load(Ordering::Relaxed)
    }

    /// Tells handlers, which are on the same thread.
    fn set_in_host(&self, in_host: bool) {
        compiler_fence(Ordering::SeqCst);
        self.in_host.store(in_host, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    #[inline]
    fn enter_host(&self) {
        self.set_in_host(true);
        self.platform.enter_host();
    }

    /// Leaves the host for the guest, unless that is to be left. What came meanwhile for the timers is done before.
    #[inline]
    fn leave_host(&self) {
        if !self.try_to_leave_host() {
            self.leave_host_at_last();
        }
    }

    /// What is rarely needed, out of the way of each call.
    #[cold]
    #[inline(never)]
    fn leave_host_at_last(&self) {
        loop {
            self.enter_host();
            if self.try_to_leave_host() {
                return;
            }
        }
    }

    /// Leaves the host, unless the guest is to be left. Returns whether that is all: an alarm may have come.
    #[inline]
    fn try_to_leave_host(&self) -> bool {
        self.expire_if_due();
        if self.is_stopping() {
            return true;
        }
        self.platform.leave_host();
        self.set_in_host(false);
        // What a host function has latched and nobody delivers: the tail looks at what is pending.
        self.lines.flush(self.page.pending());
        // From here on, an alarm is done where it comes.
        !self.alarm_due.load(Ordering::Relaxed)
    }
}
