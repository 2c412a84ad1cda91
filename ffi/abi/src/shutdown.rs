// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a guest stops.

/// First argument of `pv_shutdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// The guest is done; the code is its exit status.
    Exit = 0,
    /// The guest asks for a reset.
    Reset = 1,
    /// The guest cannot go on; the code is its own.
    Fatal = 2,
}

impl Reason {
    /// The reason of a number; `None` for a number that version 1 does not know.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Exit),
            1 => Some(Self::Reset),
            2 => Some(Self::Fatal),
            _ => None,
        }
    }

    /// The word for it in what hosts and guests say of an end.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Reset => "reset",
            Self::Fatal => "fatal",
        }
    }
}
