// SPDX-License-Identifier: MIT OR Apache-2.0
//! The third version (Arm, GIC Architecture Specification, version 3), whose interface is system registers. They are
//! written by their encodings, since assemblers know the names only with an option.

use core::arch::asm;
use core::ptr::{read_volatile, with_exposed_provenance_mut, write_volatile};

use super::{SHARED, clear, let_through, read, registers, write};
use crate::machine::processor;

/// Of the distributor: control, a bit that says that it is still taken over; where a shared interrupt goes, 8 bytes
/// each.
const CONTROL: usize = 0x0000;
const ROUTES: usize = 0x6000;
const PENDING_WRITE: u32 = 1 << 31;
/// Routing by affinity; that, and group 1.
const ROUTED: u32 = 1 << 4;
const ON: u32 = ROUTED | 1 << 1;

/// Of a redistributor: a bit that says that what was kept away is still taken over; who it is of, and whether it is the
/// last; whether the processor sleeps. Its second half is for the interrupts of its processor.
const OWN_CONTROL: usize = 0x0000;
const OWN_PENDING_WRITE: u32 = 1 << 3;
const OWNER: usize = 0x0008;
const LAST: u64 = 1 << 4;
/// It has two more such parts, for virtual interrupts.
const HAS_VIRTUAL: u64 = 1 << 1;
const WAKER: usize = 0x0014;
const SLEEPS: u32 = 1 << 1;
const ASLEEP: u32 = 1 << 2;
const PART: usize = 0x1_0000;

/// Looks at a bit that the controller is to change soon, before it is given up.
const ATTEMPTS: u32 = 1_000_000;

/// # Safety
/// As [`super::start`].
pub(super) unsafe fn start(distributor: usize, redistributors: &[(usize, usize)], interrupts: &[u32]) -> bool {
    // SAFETY: the caller's part.
    unsafe {
        let Some(own) = redistributors
            .iter()
            .find_map(|&(first, end)| redistributor(first, end))
        else {
            return false;
        };
        write(own + WAKER, read(own + WAKER) & !SLEEPS);
        if !until(|| read(own + WAKER) & ASLEEP == 0) {
            return false;
        }
        let is_done = || read(distributor + CONTROL) & PENDING_WRITE == 0;
        let is_own_done = || read(own + OWN_CONTROL) & OWN_PENDING_WRITE == 0;
        write(distributor + CONTROL, ROUTED);
        if !until(is_done) {
            return false;
        }
        clear(own + PART, 0);
        for register in 1..registers(distributor) {
            clear(distributor, register);
        }
        if !until(|| is_done() && is_own_done()) {
            return false;
        }
        write(distributor + CONTROL, ON);
        for &interrupt in interrupts {
            if interrupt < SHARED {
                let_through(own + PART, interrupt);
                continue;
            }
            let affinity = u64::from(processor::affinity());
            let route = (affinity & 0xff00_0000) << 8 | affinity & 0x00ff_ffff;
            let register = distributor + ROUTES + 8 * interrupt as usize;
            write_volatile(with_exposed_provenance_mut(register), route);
            let_through(distributor, interrupt);
        }
        asm!(
            "msr s3_0_c12_c12_5, {sre}", // ICC_SRE_EL1: by system registers
            "isb",
            "msr s3_0_c4_c6_0, {lowest}", // ICC_PMR_EL1: every priority
            "msr s3_0_c12_c12_4, xzr", // ICC_CTLR_EL1: the end of an interrupt is one write
            "msr s3_0_c12_c12_7, {one}", // ICC_IGRPEN1_EL1: group 1
            "isb",
            sre = in(reg) 7_u64,
            lowest = in(reg) 0xff_u64,
            one = in(reg) 1_u64,
            options(nostack, preserves_flags),
        );
    }
    true
}

/// The address of this processor's redistributor, if it is in that region.
///
/// # Safety
/// As [`start`].
unsafe fn redistributor(first: usize, end: usize) -> Option<usize> {
    let mut at = first;
    while at.checked_add(2 * PART)? <= end {
        // SAFETY: the caller's part.
        let kind: u64 = unsafe { read_volatile(with_exposed_provenance_mut(at + OWNER)) };
        if (kind >> 32) as u32 == processor::affinity() {
            return Some(at);
        }
        if kind & LAST != 0 {
            return None;
        }
        at += if kind & HAS_VIRTUAL != 0 { 4 * PART } else { 2 * PART };
    }
    None
}

fn until(mut done: impl FnMut() -> bool) -> bool {
    (0..ATTEMPTS).any(|_| done())
}

/// # Safety
/// The interface was started.
pub(super) unsafe fn acknowledge() -> u32 {
    let taken: u64;
    // SAFETY: the caller's part: ICC_IAR1_EL1. The barrier has what the interrupt is about seen.
    unsafe { asm!("mrs {}, s3_0_c12_c12_0", "dsb sy", out(reg) taken, options(nostack, preserves_flags)) };
    taken as u32
}

/// # Safety
/// As above.
pub(super) unsafe fn end(taken: u32) {
    // SAFETY: the caller's part: ICC_EOIR1_EL1.
    unsafe { asm!("msr s3_0_c12_c12_1, {}", "isb", in(reg) u64::from(taken), options(nostack, preserves_flags)) };
}
