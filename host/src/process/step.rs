// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single-stepping the guest, for tests that inject interrupts at every instruction.

use paravirt_abi::error::Error;
use paravirt_host_core::memory::GuestMemory;

use super::context::Interrupted;
use super::vcpu::Vcpu;

/// The vCPU between two of its instructions: the guest's, those of the host's stubs and tails in low memory, and those of the
/// gates on their way back, where host code runs that an interrupt does not enter.
pub struct Step<'a> {
    vcpu: &'a Vcpu,
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

    /// Whether an interrupt may be delivered before that instruction: it counts as guest code, and interrupts are on.
    #[must_use]
    pub fn interruptible(&self) -> bool {
        self.in_guest && self.vcpu.page.interrupts_enabled()
    }

    /// The guest's memory.
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        &self.vcpu.memory
    }

    /// Raises a line, as another thread's signal at this instruction would. If it is unmasked and the vCPU
    /// [interruptible](Step::interruptible), the guest is interrupted before its next instruction. A step at which no line is
    /// raised interrupts nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn raise(&mut self, line: u32) -> Result<(), Error> {
        self.raised = true;
        self.vcpu.lines().raise(self.vcpu.page.pending(), line)
    }
}

/// Calls the stepper; whether it raised a line.
pub(super) fn step(vcpu: &Vcpu, interrupted: &Interrupted<'_>) -> bool {
    let mut step = Step {
        vcpu,
        instruction: interrupted.instruction(),
        in_guest: interrupted.in_guest(vcpu.width),
        raised: false,
    };
    if let Some(stepper) = vcpu.stepper.borrow_mut().as_mut() {
        stepper(&mut step);
    }
    step.raised
}
