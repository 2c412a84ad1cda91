// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a guest could not be started.

use std::io;

use paravirt_host_core::agreement::Disagreement;
use paravirt_host_core::guest::GuestError;
use paravirt_host_core::layout::LayoutError;
use paravirt_host_core::memory::MapError;

use super::conditions::Condition;
use super::sandbox::SandboxError;
use crate::image::ImageError;
use crate::text::Escaped;

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The image is not for this host.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It cannot be laid out in memory.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The host program itself is linked where guests go.
    #[error(
        "this program is linked at {address:#x}, in the guest's address space; link it position-independent (the default)"
    )]
    HostInTheWay {
        /// Where some of its code lies.
        address: u64,
    },
    /// A guest is loaded already.
    #[error(
        "another guest is loaded in this process; guests are linked at fixed addresses, so run one at a time"
    )]
    Occupied,
    /// Guest and host disagree about a function.
    #[error("{file}: {disagreement}", file = Escaped(file))]
    Prototype {
        /// The image.
        file: String,
        /// About which one, and how.
        disagreement: Disagreement,
    },
    /// The system refused real-time scheduling.
    #[error(
        "cannot run with real-time priority {priority}: {source}; raise the limit (`ulimit -r {priority}`), or run as root or with \
        CAP_SYS_NICE (`sudo chrt -f {priority} true` shows whether the system permits it at all)"
    )]
    Realtime {
        /// The priority asked for.
        priority: u8,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused the timers that every guest stands on.
    #[error(
        "cannot make the two timers that a guest stands on: the limit of signals that may wait for this user, {limit}, is reached, and \
        each timer of each of the user's processes counts; raise it (`ulimit -i {}`)",
        limit.saturating_add(2)
    )]
    PendingSignals {
        /// The limit, RLIMIT_SIGPENDING.
        limit: u64,
    },
    /// The system refused the guest's rights to its memory.
    #[error("cannot protect the guest's memory: {0}")]
    Protect(MapError),
    /// The system does not let this process do what a guest needs.
    #[error(transparent)]
    Condition(#[from] Condition),
    /// The system refused the sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The system refused something the host needs.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
}

impl From<GuestError> for VmError {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::Image(error) => Self::Image(error),
            GuestError::Layout(error) => Self::Layout(error),
            GuestError::Prototype { file, disagreement } => Self::Prototype { file, disagreement },
            GuestError::Protect { source, .. } => Self::Protect(source),
            // A closure has one.
            GuestError::NoPrototype { .. } => Self::System {
                what: "cannot bind the guest",
                source: io::Error::other(error),
            },
        }
    }
}
