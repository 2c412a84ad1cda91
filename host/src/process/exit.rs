// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a guest ended.

use paravirt_host_core::explain::Fault;

/// How a guest ended.
#[derive(Debug)]
pub enum Exit {
    /// It is done; its exit status.
    Exit(i32),
    /// It asked for a reset.
    Reset,
    /// It could not go on; its own code.
    Fatal(i32),
    /// It called a function that nobody provides.
    Unbound(Box<Fault>),
    /// It did what it may not.
    Fault(Box<Fault>),
    /// It ran longer than it was given.
    Timeout,
    /// The host was asked to end by this signal.
    Signal(i32),
}

impl Exit {
    /// The exit status of `pvhost run`.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Exit(code) => *code as u8,
            Self::Fatal(_) | Self::Unbound(_) => 3,
            Self::Reset => 4,
            Self::Fault(_) => 5,
            Self::Timeout => 124,
            Self::Signal(signal) => 128 | *signal as u8,
        }
    }
}

/// A stop in one word, so that a signal handler can ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) kind: StopKind,
    pub(super) code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum StopKind {
    Exit = 1,
    Reset,
    Fatal,
    Fault,
    Timeout,
    Signal,
}

impl StopKind {
    const ALL: [Self; 6] = [
        Self::Exit,
        Self::Reset,
        Self::Fatal,
        Self::Fault,
        Self::Timeout,
        Self::Signal,
    ];
}

impl Stop {
    pub(super) const fn new(kind: StopKind, code: i32) -> Self {
        Self { kind, code }
    }

    /// Never 0.
    pub(super) const fn word(self) -> u64 {
        (self.kind as u64) << 32 | self.code as u32 as u64
    }

    pub(super) fn from_word(word: u64) -> Option<Self> {
        let kind = StopKind::ALL
            .into_iter()
            .find(|kind| *kind as u64 == word >> 32)?;
        Some(Self::new(kind, word as i32))
    }
}

impl From<Exit> for Stop {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Exit(code) => Self::new(StopKind::Exit, code),
            Exit::Reset => Self::new(StopKind::Reset, 0),
            Exit::Fatal(code) => Self::new(StopKind::Fatal, code),
            Exit::Fault(_) | Exit::Unbound(_) => Self::new(StopKind::Fault, 0),
            Exit::Timeout => Self::new(StopKind::Timeout, 0),
            Exit::Signal(signal) => Self::new(StopKind::Signal, signal),
        }
    }
}
