// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the guest.

use paravirt_bsp::abi::shutdown::Reason;

use super::hypervisor;

paravirt_bsp::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// The console has been flushed, and interrupts are off.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    hypervisor::stop(Reason::from_number(reason).unwrap_or(Reason::Fatal).name(), code)
}
