// SPDX-License-Identifier: MIT OR Apache-2.0
//! `critical-section` on the virtual interrupt flag.

use critical_section::RawRestoreState;

use crate::cpu;

struct VirtualInterruptFlag;
critical_section::set_impl!(VirtualInterruptFlag);

// SAFETY: there is one vCPU, and with the virtual interrupt flag off nothing else runs on it.
unsafe impl critical_section::Impl for VirtualInterruptFlag {
    unsafe fn acquire() -> RawRestoreState {
        cpu::save_interrupts()
    }

    unsafe fn release(were_on: RawRestoreState) {
        // SAFETY: the caller passes what the `acquire` of this section returned.
        unsafe { cpu::restore_interrupts(were_on) };
    }
}
