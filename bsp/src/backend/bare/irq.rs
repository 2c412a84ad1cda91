// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's interrupt flag, and what interrupts.

use super::devices;
use crate::backend::entry;

/// Makes the interrupt controller deliver those of the timer, the console and the backend alone.
pub(super) fn start() {
    devices::start_interrupts();
    // The processor keeps interrupts away since the entry; turning interrupts on lets them in.
    entry::mark_host_closed();
}
