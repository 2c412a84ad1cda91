// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual processor: what host functions and signal handlers share while the guest runs.
//!
//! Both run on the vCPU's thread, and a signal handler may interrupt a host function at any instruction. What both change
//! is atomic or a `Cell` that only one of them writes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use paravirt_abi::signature::Width;
use paravirt_host_core::explain::{Cause, Record};
use paravirt_host_core::lines::Lines;
use paravirt_host_core::memory::GuestMemory;
use paravirt_host_core::page::Page;

use super::clock::Clock;
use super::console::Console;
use super::context::Interrupted;
use super::exit::{Stop, StopKind};
use super::function::Erased;
use super::gate::low::Low;
use super::lines::SharedLines;
use super::state::STATE;
use super::step::Stepper;
use super::timers::Timers;

/// The host function behind an external function of the guest; bindings have the order of the image's externals.
pub(super) struct Binding {
    pub(super) slot: u64,
    /// Where the slot leads once it is bound: the function's stub, or a shim before it.
    pub(super) entry: u64,
    /// `None`: the host does not offer it, and the slot stays as it is.
    pub(super) function: Option<Erased>,
    /// Bytes of its arguments on the guest's stack.
    pub(super) stack_bytes: u64,
    pub(super) calls: Cell<u64>,
}

/// The virtual processor.
pub(super) struct Vcpu {
    pub(super) width: Width,
    pub(super) memory: GuestMemory,
    pub(super) page: Page,
    /// Whether the page is the guest's, so that it can be interrupted.
    pub(super) takes_interrupts: bool,
    pub(super) bindings: Vec<Binding>,
    pub(super) low: Low,
    pub(super) shared_lines: Arc<SharedLines>,
    pub(super) timers: Timers,
    pub(super) clock: Clock,
    pub(super) console: Console,
    pub(super) stepper: RefCell<Option<Stepper>>,
    /// Counter of upcalls, in low memory, where the tails find it.
    pub(super) upcalls: u64,
    pub(super) idles: Cell<u64>,
    pub(super) idle_ns: Cell<u64>,
    pub(super) overruns: AtomicU64,
    pub(super) fault: Cell<Option<Record>>,
}

impl Vcpu {
    pub(super) fn lines(&self) -> &Lines {
        &self.shared_lines.lines
    }

    /// Stops the guest for what it did at the interrupted instruction.
    pub(super) fn guest_fault(&self, interrupted: &mut Interrupted<'_>, cause: Cause) {
        self.record_fault(Record::new(cause, interrupted.registers()));
        interrupted.leave();
    }

    /// Stops the guest for what it did; the gate leaves it.
    pub(super) fn record_fault(&self, record: Record) {
        self.fault.set(Some(record));
        STATE.request_stop(Stop::new(StopKind::Fault, 0));
    }

    pub(super) fn count_upcall(&self) {
        self.upcall_counter().fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn upcall_count(&self) -> u32 {
        self.upcall_counter().load(Ordering::Relaxed)
    }

    fn upcall_counter(&self) -> &AtomicU32 {
        // SAFETY: mapped, aligned and writable for the guest's life.
        unsafe { AtomicU32::from_ptr(self.upcalls as *mut u32) }
    }
}
