// SPDX-License-Identifier: MIT OR Apache-2.0
//! A processor's registers in guest code, as debuggers want them.

pub use paravirt_host_core::fault::Registers as General;

/// The area in which `fxsave` leaves the x87 unit and SSE, in bytes (Intel SDM volume 1, 10.5.1).
pub const FXSAVE: usize = 512;

/// Of a thread of guest code: what there is of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// General registers, instruction pointer and flags.
    pub general: General,
    /// `None`: nobody has saved them.
    pub segments: Option<Segments>,
    /// The x87 unit and SSE, as `fxsave` has them. `None`: nobody has saved them.
    pub fxsave: Option<[u8; FXSAVE]>,
}

/// Segment selectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// Code.
    pub cs: u16,
    /// Stack.
    pub ss: u16,
    /// Data.
    pub ds: u16,
    /// Further data.
    pub es: u16,
    /// On x86-64 that of thread-local storage.
    pub fs: u16,
    /// On i386 that of thread-local storage.
    pub gs: u16,
}

/// The x87 unit's tag word, two bits a register, of the one bit a register that `fxsave` keeps (Intel SDM volume 1,
/// 8.1.7 and 10.5.1.1).
#[must_use]
pub fn tag_word(fxsave: &[u8; FXSAVE]) -> u16 {
    const VALID: u16 = 0;
    const ZERO: u16 = 1;
    const SPECIAL: u16 = 2;
    const EMPTY: u16 = 3;
    let top = usize::from(fxsave[3] >> 3 & 7);
    let mut tags = 0;
    for register in 0..8 {
        let tag = if fxsave[4] >> register & 1 == 0 {
            EMPTY
        } else {
            // The area has them as the stack does, the tags as they are numbered.
            let at = 32 + 16 * ((register + 8 - top) % 8);
            let exponent = u16::from_le_bytes([fxsave[at + 8], fxsave[at + 9]]) & 0x7fff;
            let is_zero = fxsave[at..at + 8].iter().all(|&byte| byte == 0);
            let is_normal = fxsave[at + 7] & 0x80 != 0;
            match exponent {
                0 if is_zero => ZERO,
                0 | 0x7fff => SPECIAL,
                _ if is_normal => VALID,
                _ => SPECIAL,
            }
        };
        tags |= tag << (2 * register);
    }
    tags
}

/// The reverse of [`tag_word`].
#[must_use]
pub const fn abridged_tags(tags: u16) -> u8 {
    let mut abridged = 0;
    let mut register = 0;
    while register < 8 {
        if tags >> (2 * register) & 3 != 3 {
            abridged |= 1 << register;
        }
        register += 1;
    }
    abridged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_the_registers_values() {
        let mut fxsave = [0; FXSAVE];
        assert_eq!(tag_word(&fxsave), 0xffff, "all empty");
        // Two values on the stack: 1.0 in st0, 0 in st1, in registers 6 and 7.
        fxsave[3] = 6 << 3;
        fxsave[4] = 0b1100_0000;
        fxsave[32..42].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
        assert_eq!(tag_word(&fxsave), 0b01_00_11_11_11_11_11_11);
        assert_eq!(abridged_tags(tag_word(&fxsave)), fxsave[4]);
        fxsave[40..42].copy_from_slice(&[0xff, 0x7f]);
        assert_eq!(tag_word(&fxsave) >> 12 & 3, 2, "infinity");
    }
}
