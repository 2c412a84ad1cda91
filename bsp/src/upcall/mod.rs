// SPDX-License-Identifier: MIT OR Apache-2.0
//! The upcall entry: where a host, or a processor in ring 0, interrupts the guest.
//!
//! On entry the virtual interrupt flag is off and the stack holds the frame that the processor would push. The entry owns
//! the window at its end: all registers are restored *before* the store that turns the flag on; then come the test for
//! pending lines and `iret`. An upcall that interrupts in that window finds everything but the outer frame gone, discards its
//! own frame and goes on with the outer one, so that frames never pile up. The host need not know of the window.

#[cfg(target_arch = "x86")]
mod i386;
#[cfg(target_arch = "x86_64")]
mod x86_64;
