// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a guest ended.

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEnd {
    /// It is done; its exit status.
    Exit(i32),
    /// It asked for a reset.
    Reset,
    /// It could not go on; its own code.
    Fatal(i32),
    /// It did what it may not, as it reported itself or Xen did.
    Fault,
    /// It ran longer than it was given.
    Timeout,
    /// The host was asked to end by this signal.
    Signal(i32),
    /// Its machine has ended, and it has not said how it ended: what is known instead.
    Unknown(String),
}

impl MachineEnd {
    /// Returns whether a core is due: it is no exit, and not for want of a reader of its output.
    #[must_use]
    pub const fn leaves_core(&self) -> bool {
        !matches!(self, Self::Exit(_) | Self::Signal(libc::SIGPIPE))
    }

    /// The exit status of `pvhost run`, the same as on the process host.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Exit(code) => *code as u8,
            Self::Unknown(_) => 1,
            Self::Fatal(_) => 3,
            Self::Reset => 4,
            Self::Fault => 5,
            Self::Timeout => 124,
            Self::Signal(signal) => 128 | *signal as u8,
        }
    }
}
