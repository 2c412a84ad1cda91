// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU page: what guest and host share about one virtual processor.
//!
//! Modelled on the vCPU state of L4. The page lies in the guest's image and is owned by the guest; the host finds it
//! by the identity note. Its offsets are the same on every architecture.

use core::mem::offset_of;
use core::sync::atomic::AtomicU32;

use crate::line::TIMERS;

/// Size and alignment of the page in bytes.
pub const SIZE: usize = 4096;

/// Version of this layout, in [`VcpuPage::version`].
pub const VERSION: u32 = 1;

/// Bytes below the stack pointer that a host leaves alone when it builds an upcall frame on x86-64 (System V red zone).
pub const RED_ZONE: u64 = 128;

/// Bit of [`VcpuPage::pending`] that is no line: the guest's own entry code sets it when it returned with the host's
/// flag off (`IF` = 0, event mask = 1, signals blocked), so that the one test at the end of enabling finds both what is
/// pending and that the host's flag must be opened again. Hosts neither set nor clear it.
pub const HOST_MASKED: u32 = 1 << 31;

bitflags::bitflags! {
    /// Flags of the clock.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ClockFlags: u32 {
        /// The clock fields are valid; without it the guest calls `pv_clock_now`.
        const VALID = 1 << 0;
    }
}

/// The paravirtual clock: guest time in ns at TSC value `t` is
/// `base_ns + (((t - base_tsc) << shift) * multiplier >> 32)`, with a right shift where `shift` is negative and 0 in
/// place of a negative difference.
///
/// The writer makes `sequence` odd, changes the fields and makes it even again; a reader that saw an odd or a changed
/// sequence reads again. It does so while no guest code runs. A host that measures the counter's rate re-anchors the
/// clock at least every 100 ms, and never lets it step back.
#[derive(Debug)]
#[repr(C)]
pub struct Clock {
    /// Odd while the host changes the fields.
    pub sequence: u32,
    /// [`ClockFlags`].
    pub flags: u32,
    /// ns per (shifted) TSC cycle, as a fraction of 2^32.
    pub multiplier: u32,
    /// Shift of the TSC difference, -31 to 31.
    pub shift: i32,
    /// TSC value of the anchor.
    pub base_tsc: u64,
    /// Guest time of the anchor in ns.
    pub base_ns: u64,
}

/// The clock's formula: `(cycles << shift) * multiplier >> 32`, without a 128-bit product; a right shift where `shift`
/// is negative. The result must be below 2^64.
#[inline]
#[must_use]
pub const fn cycles_to_ns(cycles: u64, shift: i32, multiplier: u32) -> u64 {
    let distance = shift.unsigned_abs() & 63;
    let cycles = if shift < 0 {
        cycles >> distance
    } else {
        cycles << distance
    };
    let high = (cycles >> 32) * multiplier as u64;
    let low = ((cycles & 0xffff_ffff) * multiplier as u64) >> 32;
    high.wrapping_add(low)
}

/// The page.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct VcpuPage {
    /// [`VERSION`]; written by the guest's image.
    pub version: u32,
    /// The virtual interrupt flag: 1 = on, 0 = off. The guest writes it; the host clears it when it enters an upcall.
    pub interrupts_enabled: u32,
    /// Bit n: line n is pending. The host sets bits, the guest takes them, both atomically. Bit 31: [`HOST_MASKED`].
    pub pending: AtomicU32,
    /// Interrupts for which the guest had no handler; counted by the guest for the host's statistics.
    pub spurious: u32,
    /// Where the host enters the guest for an upcall; written by the guest's image.
    pub upcall_entry: u64,
    /// The clock.
    pub clock: Clock,
    /// Zero in version 1.
    pub reserved: u64,
    /// Expirations of each timer since the guest's start; the host counts, so that no tick is lost when the line
    /// coalesces.
    pub timer_expirations: [u64; TIMERS as usize],
}

/// Offset of [`VcpuPage::interrupts_enabled`], for assembly.
pub const INTERRUPTS_ENABLED: usize = offset_of!(VcpuPage, interrupts_enabled);
/// Offset of [`VcpuPage::pending`], for assembly.
pub const PENDING: usize = offset_of!(VcpuPage, pending);

const _: () = {
    assert!(HOST_MASKED >> crate::line::LINES == 1);
    assert!(size_of::<VcpuPage>() == SIZE && align_of::<VcpuPage>() == SIZE);
    assert!(INTERRUPTS_ENABLED == 4);
    assert!(PENDING == 8);
    assert!(offset_of!(VcpuPage, spurious) == 12);
    assert!(offset_of!(VcpuPage, upcall_entry) == 16);
    assert!(offset_of!(VcpuPage, clock) == 24);
    assert!(offset_of!(Clock, base_tsc) == 16 && offset_of!(Clock, base_ns) == 24);
    assert!(offset_of!(VcpuPage, timer_expirations) == 64);
};

#[cfg(test)]
mod tests {
    use super::cycles_to_ns;

    #[test]
    fn the_formula_is_the_128_bit_product() {
        for cycles in [0, 1, 0xffff_ffff, 0x1_0000_0001, 0x00ff_ffff_ffff_ffff] {
            for (shift, multiplier) in [(0, u32::MAX), (-3, 0x5555_5555), (1, 0x8000_0001), (2, 1)] {
                let shifted = if shift < 0 { cycles >> -shift } else { cycles << shift };
                let exact = (u128::from(shifted) * u128::from(multiplier)) >> 32;
                assert_eq!(u128::from(cycles_to_ns(cycles, shift, multiplier)), exact);
            }
        }
    }
}
