// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a guest ended.

#[cfg(not(target_arch = "x86"))]
use crate::fault::AnyRegisters;

/// How a guest ended. Its number is that of the C API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EndKind {
    /// It is done; the code is its exit status.
    Exit = 1,
    /// It asked for a reset.
    Reset,
    /// It could not go on; the code is its own.
    Fatal,
    /// It called a function that nobody provides.
    Unbound,
    /// It did what it may not.
    Fault,
    /// The host stopped it; the code is the host's.
    Stopped,
}

impl EndKind {
    const ALL: [Self; 6] = [
        Self::Exit,
        Self::Reset,
        Self::Fatal,
        Self::Unbound,
        Self::Fault,
        Self::Stopped,
    ];

    /// The kind of that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// A guest's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub kind: EndKind,
    /// 0 where the kind has none.
    pub code: i32,
}

impl End {
    /// An end of that kind.
    #[must_use]
    pub const fn new(kind: EndKind, code: i32) -> Self {
        Self { kind, code }
    }

    /// The exit status of a host: as of `pvhost run`, and 1 for a guest that the host stopped.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self.kind {
            EndKind::Exit => self.code as u8,
            EndKind::Stopped => 1,
            EndKind::Fatal | EndKind::Unbound => 3,
            EndKind::Reset => 4,
            EndKind::Fault => 5,
        }
    }

    /// In one word, so that a handler can ask for it; never 0.
    pub(super) const fn word(self) -> u64 {
        (self.kind as u64) << 32 | self.code as u32 as u64
    }

    pub(super) fn from_word(word: u64) -> Option<Self> {
        let kind = EndKind::from_number((word >> 32) as u32)?;
        Some(Self::new(kind, word as i32))
    }
}

/// The guest's registers as it was left, see [`Guest::left`](super::Guest::left).
#[cfg(not(target_arch = "x86"))]
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Of a guest in a call of the host, as at the first instruction of the function that it has called, or if nobody
    /// knows its address, as if the call had returned. Registers that a call does not preserve are 0 then, unless they
    /// are its arguments.
    pub registers: AnyRegisters,
    /// State of the x87 unit and SSE, as FXSAVE stores it (Intel SDM volume 1, 10.5.1); `None` in a call, which does
    /// not preserve it, and on other processors.
    pub units: Option<[u8; 512]>,
}

/// Result of a function that does not return (`!`): the guest is left when the host function returns.
#[derive(Debug)]
pub struct Stopped(pub(super) ());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_fits_into_a_word() {
        for kind in EndKind::ALL {
            for code in [0, 1, -1, i32::MIN] {
                let end = End::new(kind, code);
                assert_ne!(end.word(), 0);
                assert_eq!(End::from_word(end.word()), Some(end));
            }
        }
        assert_eq!(End::from_word(0), None);
    }
}
