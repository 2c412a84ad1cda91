// SPDX-License-Identifier: MIT OR Apache-2.0
//! Port I/O.

use core::arch::asm;

/// A port of a device that does nothing to memory.
///
/// ```no_run
/// # #[cfg(feature = "ring0")]
/// # fn example() {
/// use paravirt_bsp::ring0::port::Port;
///
/// // SAFETY: the index of a PC's battery-backed clock, which touches no memory.
/// const INDEX: Port = unsafe { Port::new(0x70) };
/// INDEX.out8(0);
/// # }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(u16);

impl Port {
    /// The port of that number.
    ///
    /// # Safety
    /// Whatever is read there or written to it, no device changes memory, and whoever else uses the device is not
    /// disturbed.
    #[must_use]
    pub const unsafe fn new(number: u16) -> Self {
        Self(number)
    }

    /// Reads a byte.
    #[inline]
    #[must_use]
    pub fn in8(self) -> u8 {
        let value;
        // SAFETY: touches no memory, as whoever made the port vouches.
        unsafe {
            asm!("in al, dx", in("dx") self.0, out("al") value, options(nostack, preserves_flags));
        }
        value
    }

    /// Reads 16 bits.
    #[inline]
    #[must_use]
    pub fn in16(self) -> u16 {
        let value;
        // SAFETY: as above.
        unsafe {
            asm!("in ax, dx", in("dx") self.0, out("ax") value, options(nostack, preserves_flags));
        }
        value
    }

    /// Reads 32 bits.
    #[inline]
    #[must_use]
    pub fn in32(self) -> u32 {
        let value;
        // SAFETY: as above.
        unsafe {
            asm!("in eax, dx", in("dx") self.0, out("eax") value, options(nostack, preserves_flags));
        }
        value
    }

    /// Writes a byte.
    #[inline]
    pub fn out8(self, value: u8) {
        // SAFETY: as above.
        unsafe {
            asm!("out dx, al", in("dx") self.0, in("al") value, options(nostack, preserves_flags));
        }
    }

    /// Writes 16 bits.
    #[inline]
    pub fn out16(self, value: u16) {
        // SAFETY: as above.
        unsafe {
            asm!("out dx, ax", in("dx") self.0, in("ax") value, options(nostack, preserves_flags));
        }
    }

    /// Writes 32 bits.
    #[inline]
    pub fn out32(self, value: u32) {
        // SAFETY: as above.
        unsafe {
            asm!("out dx, eax", in("dx") self.0, in("eax") value, options(nostack, preserves_flags));
        }
    }
}
