// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page that a domain shares with Xen: pending events, the time (`struct shared_info` in Xen's public headers,
//! version 4.17: `xen/include/public/xen.h`, `arch-x86/xen.h`, `arch-arm.h`).
//!
//! A page of the image, in whose place the start has Xen's mapped. Until then it reads as zeros.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};

/// Bits of a word of the event bitmaps.
pub(super) const WORD_BITS: u32 = usize::BITS;
/// Words of an event bitmap: one for each bit of the selector.
pub(super) const WORDS: usize = WORD_BITS as usize;
/// Virtual processors that the page has room for.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const VCPUS: usize = 32;
#[cfg(target_arch = "aarch64")]
const VCPUS: usize = 1;

/// A field that Xen writes; every access is volatile.
#[repr(transparent)]
pub(super) struct Field<T>(UnsafeCell<T>);

// SAFETY: only Xen writes, and volatile reads take what is there; where a field has several words, the version counters
// tell a reader to read again.
unsafe impl<T> Sync for Field<T> {}

impl<T: Copy> Field<T> {
    #[inline]
    pub(super) fn read(&self) -> T {
        // SAFETY: valid for the image's life; every value of the integers that this is used with is a valid one.
        unsafe { self.0.get().read_volatile() }
    }
}

/// `struct vcpu_time_info`.
#[repr(C)]
pub(super) struct TimeInfo {
    /// Odd while Xen changes the fields, another number after it.
    pub(super) version: AtomicU32,
    padding: u32,
    /// Time-stamp counter at the last change.
    pub(super) tsc: Field<u64>,
    /// System time at the last change, in ns since Xen's start.
    pub(super) system_time: Field<u64>,
    /// ns per (shifted) cycle, as a fraction of 2^32.
    pub(super) multiplier: Field<u32>,
    /// Shift of the cycles, -31 to 31.
    pub(super) shift: Field<i8>,
    flags: u8,
    more_padding: [u8; 2],
}

/// `struct vcpu_info`.
#[repr(C)]
pub(super) struct VcpuInfo {
    /// Not zero: some event is pending. The domain clears it before it looks which.
    pub(super) upcall_pending: AtomicU8,
    /// Not zero: no event callback. For PV domains; elsewhere it stays zero.
    pub(super) upcall_mask: AtomicU8,
    /// Bit n: word n of the bitmap has pending events.
    pub(super) selector: AtomicUsize,
    /// Address of the last page fault, for PV domains on x86-64.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub(super) cr2: Field<usize>,
    #[cfg(target_arch = "x86_64")]
    padding: usize,
    #[cfg(target_arch = "x86")]
    padding: [usize; 5],
    pub(super) time: TimeInfo,
}

/// `struct shared_info`, with its page.
#[repr(C, align(4096))]
pub(super) struct SharedInfo {
    pub(super) vcpu: VcpuInfo,
    other_vcpus: [u8; (VCPUS - 1) * size_of::<VcpuInfo>()],
    pub(super) pending: [AtomicUsize; WORDS],
    pub(super) mask: [AtomicUsize; WORDS],
    /// As [`TimeInfo::version`], for the three fields after it.
    wall_version: AtomicU32,
    /// Unix time at Xen's start: seconds and ns.
    wall_seconds: Field<u32>,
    wall_ns: Field<u32>,
    /// The upper half of the seconds.
    #[cfg(not(target_arch = "x86"))]
    wall_seconds_high: Field<u32>,
    /// `max_pfn` to `p2m_generation`, which tools use.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    arch: [usize; 6],
    /// The upper half of the seconds.
    #[cfg(target_arch = "x86")]
    wall_seconds_high: Field<u32>,
}

const _: () = {
    use core::mem::offset_of;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    assert!(size_of::<VcpuInfo>() == 64 && offset_of!(VcpuInfo, time) == 32);
    #[cfg(target_arch = "aarch64")]
    assert!(size_of::<VcpuInfo>() == 48 && offset_of!(VcpuInfo, time) == 16);
    assert!(size_of::<SharedInfo>() == 4096);
    let of_vcpus = VCPUS * size_of::<VcpuInfo>();
    assert!(offset_of!(SharedInfo, wall_version) == of_vcpus + 2 * WORDS * size_of::<usize>());
};

/// The page.
// SAFETY: integers all, of which 0 is one.
pub(super) static PAGE: SharedInfo = unsafe { MaybeUninit::zeroed().assume_init() };

impl SharedInfo {
    /// Unix time when the system time was 0: whole seconds and ns. As long as nobody has told Xen the time it is little
    /// more than 0.
    pub(super) fn wall_start(&self) -> (u64, u64) {
        loop {
            let version = self.wall_version.load(Ordering::Acquire);
            let seconds = u64::from(self.wall_seconds_high.read()) << 32 | u64::from(self.wall_seconds.read());
            let ns = u64::from(self.wall_ns.read());
            fence(Ordering::Acquire);
            if version & 1 == 0 && self.wall_version.load(Ordering::Relaxed) == version {
                return (seconds, ns);
            }
        }
    }
}
