// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single-stepping the guest, for tests that inject interrupts at every instruction.

use paravirt_abi::error::Error;

use super::context::Interrupted;
use super::vcpu::Vcpu;

/// The guest between two of its instructions.
pub struct Step<'a> {
    pub(super) vcpu: &'a Vcpu,
    pub(super) instruction: u64,
}

/// What is called at each step.
pub(super) type Stepper = Box<dyn FnMut(&mut Step<'_>)>;

impl Step<'_> {
    /// Address of the instruction that comes next: in the image, or in the host's low stubs.
    #[must_use]
    pub const fn instruction(&self) -> u64 {
        self.instruction
    }

    /// Whether the virtual interrupt flag is on.
    #[must_use]
    pub fn interrupts_enabled(&self) -> bool {
        self.vcpu.page.interrupts_enabled()
    }

    /// Raises a line. If it is unmasked and interrupts are on, the guest is interrupted before its next instruction.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn raise(&mut self, line: u32) -> Result<(), Error> {
        self.vcpu.lines.raise(&self.vcpu.page, line)
    }
}

/// Calls the stepper, if guest code was interrupted.
pub(super) fn step(vcpu: &Vcpu, interrupted: &Interrupted<'_>) {
    if !interrupted.in_guest(vcpu.width) {
        return;
    }
    if let Some(stepper) = vcpu.stepper.borrow_mut().as_mut() {
        stepper(&mut Step {
            vcpu,
            instruction: interrupted.instruction(),
        });
    }
}
