// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single-stepping the guest: for tests that inject interrupts at every instruction, and to interrupt the guest some
//! instructions later than it would be.

use std::cell::{Cell, RefCell};

use paravirt_abi::error::Error;
use paravirt_host_core::layout::GUEST_END;
use paravirt_host_core::memory::GuestMemory;

use super::platform::Guest;
use super::signals::{Interrupted, step_from_here};

/// The vCPU between two of its instructions: the guest's, those of the host's stubs and tails in low memory, and those
/// of the gates on their way back, where host code runs that an interrupt does not enter.
pub struct Step<'a> {
    guest: &'a Guest,
    instruction: u64,
    in_guest: bool,
    raised: bool,
}

/// What is called at each step.
pub(super) type Stepper = Box<dyn FnMut(&mut Step<'_>)>;

impl Step<'_> {
    /// Address of the instruction that comes next.
    #[must_use]
    pub const fn instruction(&self) -> u64 {
        self.instruction
    }

    /// Returns whether an interrupt may be delivered before that instruction: it counts as guest code, and interrupts
    /// are on.
    #[must_use]
    pub fn interruptible(&self) -> bool {
        self.in_guest && self.guest.page().interrupts_enabled()
    }

    /// The guest's memory.
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        self.guest.memory()
    }

    /// Raises a line, as another thread's signal at this instruction would. If it is unmasked and the vCPU
    /// [interruptible](Step::interruptible), the guest is interrupted before its next instruction. A step at which no
    /// line is raised interrupts nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn raise(&mut self, line: u32) -> Result<(), Error> {
        self.raised = true;
        self.guest.pv_irq_raise(line)
    }
}

/// Whether and how the guest is single-stepped.
pub(super) struct Stepping {
    /// Whether it is now.
    is_on: Cell<bool>,
    stepper: Option<RefCell<Stepper>>,
    /// Instructions of the guest after which its timers expire, if that is put off.
    left: Cell<u32>,
    /// Whether it was ever put off: then the guest may have saved flags with the trap flag.
    was_put_off: Cell<bool>,
    /// Whether host code is on its way back to the guest.
    returning: Cell<bool>,
    /// Whether a debugger has it stepped, for which what it does at each step is another's.
    is_debugged: Cell<bool>,
    /// Whether there is one, who may have left the guest flags with the trap flag.
    has_debugger: bool,
}

impl Stepping {
    pub(super) fn new(stepper: Option<Stepper>, has_debugger: bool) -> Self {
        Self {
            is_on: Cell::new(stepper.is_some() || has_debugger),
            stepper: stepper.map(RefCell::new),
            left: Cell::new(0),
            was_put_off: Cell::new(false),
            returning: Cell::new(false),
            is_debugged: Cell::new(has_debugger),
            has_debugger,
        }
    }

    /// Whether a debugger has each instruction trap from now on.
    pub(super) fn set_debugged(&self, is_debugged: bool) {
        self.is_debugged.set(is_debugged);
        self.is_on
            .set(is_debugged || self.stepper.is_some() || self.left.get() != 0);
    }

    /// The guest, or what is left of the way back to it, goes on by steps.
    pub(super) fn step_on(&self, interrupted: &mut Interrupted<'_>) {
        self.returning.set(true);
        interrupted.step();
    }

    /// The guest goes on, not by steps for a debugger's sake.
    pub(super) fn go_on(&self, interrupted: &mut Interrupted<'_>) {
        if self.is_on.get() {
            interrupted.step();
        } else {
            interrupted.stop_stepping();
        }
    }

    /// Returns whether a trap is one of ours.
    pub(super) const fn traps(&self) -> bool {
        self.is_on.get() || self.was_put_off.get() || self.has_debugger
    }

    /// From a host function: the guest's timers expire after so many instructions of the guest, or before, when it
    /// idles.
    pub(super) fn put_off(&self, instructions: u32) {
        self.left.set(instructions);
        self.was_put_off.set(true);
        self.is_on.set(true);
    }

    /// Returns whether that is under way.
    pub(super) const fn is_put_off(&self) -> bool {
        self.left.get() != 0
    }

    #[inline]
    pub(super) fn enter_host(&self) {
        if self.is_on.get() {
            self.returning.set(false);
        }
    }

    /// Steps from here on: what is left of the way back, then the guest.
    #[inline]
    pub(super) fn leave_host(&self) {
        if self.is_on.get() {
            self.returning.set(true);
            step_from_here();
        }
    }

    /// A step has been done. Calls the stepper. Returns whether the guest is to be interrupted, by a line that it
    /// raised or by what was put off: a step alone interrupts nothing, or the guest's own tests of what is pending
    /// would never be the first to see it.
    pub(super) fn step(&self, guest: &Guest, interrupted: &mut Interrupted<'_>) -> bool {
        if !self.is_on.get() {
            // Flags that the guest saved when it was, and has loaded now.
            interrupted.stop_stepping();
            return false;
        }
        let instruction = interrupted.instruction();
        if instruction < GUEST_END {
            self.returning.set(false);
        } else if !self.returning.get() {
            // On the way into a host function, which steps again on its way back.
            interrupted.stop_stepping();
        }
        let in_guest = guest.in_guest(&interrupted.frame());
        let mut step = Step {
            guest,
            instruction,
            in_guest,
            raised: false,
        };
        if let Some(stepper) = &self.stepper {
            stepper.borrow_mut()(&mut step);
        }
        step.raised | (in_guest && self.comes(guest, interrupted))
    }

    /// An instruction of the guest comes next. Returns whether what was put off comes before it.
    fn comes(&self, guest: &Guest, interrupted: &mut Interrupted<'_>) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        if left != 1 {
            return false;
        }
        if self.stepper.is_none() && !self.is_debugged.get() {
            self.is_on.set(false);
            interrupted.stop_stepping();
        }
        guest.alarm();
        true
    }
}
