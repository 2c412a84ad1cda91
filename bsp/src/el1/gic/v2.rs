// SPDX-License-Identifier: MIT OR Apache-2.0
//! The second version (Arm, GIC Architecture Specification, version 2.0), whose interface is in memory.

use core::ptr::{with_exposed_provenance_mut, write_volatile};

use super::{SHARED, clear, let_through, read, registers, write};

/// Of the distributor: on, for both groups; which processors a shared interrupt goes to, a byte each.
const CONTROL: usize = 0x000;
const TARGETS: usize = 0x800;
const BOTH_GROUPS: u32 = 3;

/// Of the interface.
const INTERFACE_CONTROL: usize = 0x00;
const THRESHOLD: usize = 0x04;
const ACKNOWLEDGE: usize = 0x0c;
const END: usize = 0x10;
/// Both groups, and those of group 1 are taken by the same register as the others.
const INTERFACE_ON: u32 = 1 << 2 | 3;
const LOWEST: u32 = 0xff;

/// # Safety
/// As [`super::start`].
pub(super) unsafe fn start(distributor: usize, interface: usize, interrupts: &[u32]) {
    // SAFETY: the caller's part.
    unsafe {
        write(distributor + CONTROL, 0);
        for register in 0..registers(distributor) {
            clear(distributor, register);
        }
        // The first of these registers says which processor this one is.
        let this = read(distributor + TARGETS) as u8;
        for &interrupt in interrupts {
            if interrupt >= SHARED {
                let target = with_exposed_provenance_mut(distributor + TARGETS + interrupt as usize);
                write_volatile(target, this.max(1));
            }
            let_through(distributor, interrupt);
        }
        write(distributor + CONTROL, BOTH_GROUPS);
        write(interface + THRESHOLD, LOWEST);
        write(interface + INTERFACE_CONTROL, INTERFACE_ON);
    }
}

/// # Safety
/// `interface` was started.
pub(super) unsafe fn acknowledge(interface: usize) -> u32 {
    // SAFETY: the caller's part.
    unsafe { read(interface + ACKNOWLEDGE) }
}

/// # Safety
/// As above.
pub(super) unsafe fn end(interface: usize, taken: u32) {
    // SAFETY: the caller's part.
    unsafe { write(interface + END, taken) };
}
