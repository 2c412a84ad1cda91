// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a guest ended.

use paravirt_host_core::explain::Fault;
use paravirt_host_core::guest::{End, EndKind};

/// Code of a stop by which this host means that the guest's time is over; others are signals.
pub(super) const TIMED_OUT: i32 = 0;

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
    /// The core's end, with what is known of a fault.
    pub(super) fn new(end: End, fault: Option<Fault>) -> Self {
        match (end.kind, fault.map(Box::new)) {
            (EndKind::Unbound, Some(fault)) => Self::Unbound(fault),
            (EndKind::Fault, Some(fault)) => Self::Fault(fault),
            (EndKind::Exit, _) => Self::Exit(end.code),
            (EndKind::Reset, _) => Self::Reset,
            (EndKind::Stopped, _) if end.code == TIMED_OUT => Self::Timeout,
            (EndKind::Stopped, _) => Self::Signal(end.code),
            (EndKind::Fatal | EndKind::Unbound | EndKind::Fault, _) => Self::Fatal(end.code),
        }
    }

    /// As an end of the core's.
    pub(super) const fn end(&self) -> End {
        match *self {
            Self::Exit(code) => End::new(EndKind::Exit, code),
            Self::Reset => End::new(EndKind::Reset, 0),
            Self::Fatal(code) => End::new(EndKind::Fatal, code),
            Self::Unbound(_) => End::new(EndKind::Unbound, 0),
            Self::Fault(_) => End::new(EndKind::Fault, 0),
            Self::Timeout => End::new(EndKind::Stopped, TIMED_OUT),
            Self::Signal(signal) => End::new(EndKind::Stopped, signal),
        }
    }

    /// The exit status of `pvhost run`.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Timeout => 124,
            Self::Signal(signal) => 128 | *signal as u8,
            other => other.end().status(),
        }
    }
}
