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
}

macro_rules! accesses {
    ($($what:literal $value:ty, $register:tt: $read:ident, $write:ident;)*) => {$(
        impl Port {
            #[doc = concat!("Reads ", $what, ".")]
            #[inline]
            #[must_use]
            pub fn $read(self) -> $value {
                let value;
                // SAFETY: touches no memory, as whoever made the port vouches.
                unsafe {
                    asm!(
                        concat!("in ", $register, ", dx"),
                        in("dx") self.0, out($register) value, options(nostack, preserves_flags),
                    );
                }
                value
            }

            #[doc = concat!("Writes ", $what, ".")]
            #[inline]
            pub fn $write(self, value: $value) {
                // SAFETY: as above.
                unsafe {
                    asm!(
                        concat!("out dx, ", $register),
                        in("dx") self.0, in($register) value, options(nostack, preserves_flags),
                    );
                }
            }
        }
    )*};
}

accesses! {
    "a byte" u8, "al": in8, out8;
    "16 bits" u16, "ax": in16, out16;
    "32 bits" u32, "eax": in32, out32;
}
