// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a guest could not be started.

use std::io;

use paravirt_abi::signature::Signature;

use crate::image::ImageError;

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The image is not for this host.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Something of the host's lies where the guest goes.
    #[error(
        "{file}: {size:#x} bytes at {address:#x} are in use in this process; link the guest elsewhere"
    )]
    AddressTaken {
        /// The image.
        file: String,
        /// First address.
        address: u64,
        /// Size in bytes.
        size: u64,
    },
    /// The system refused memory.
    #[error("{file}: cannot map {size:#x} bytes at {address:#x} for the guest: {source}")]
    Map {
        /// The image.
        file: String,
        /// First address.
        address: u64,
        /// Size in bytes.
        size: u64,
        /// The system's reason.
        source: io::Error,
    },
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
    #[error(
        "{file}: `{name}` is `{guest}` for the guest but `{host}` for the host; build both from the same declaration"
    )]
    Prototype {
        /// The image.
        file: String,
        /// The function.
        name: String,
        /// The guest's prototype.
        guest: Signature,
        /// The host's.
        host: Signature,
    },
    /// The memory asked for is not what a guest can have.
    #[error(
        "{memory:#x} bytes of memory do not fit below 4 GiB behind the image, which ends at {end:#x}; ask for less"
    )]
    Memory {
        /// Bytes asked for.
        memory: u64,
        /// End of the image.
        end: u64,
    },
    /// The command line is too long for the start info.
    #[error("the command line has {0} bytes; at most 65536 are passed to a guest")]
    CommandLine(usize),
    /// The vCPU page does not look like one.
    #[error(
        "{file}: the vCPU page at {address:#x} has layout version {version}, this host knows version {known}; link the guest with the same paravirt-bsp"
    )]
    VcpuPage {
        /// The image.
        file: String,
        /// Its address.
        address: u64,
        /// Its version.
        version: u32,
        /// Ours.
        known: u32,
    },
    /// The upcall entry is not code.
    #[error(
        "{file}: the upcall entry {entry:#x} in the vCPU page is not in executable memory; is the image stripped of its interrupt code?"
    )]
    UpcallEntry {
        /// The image.
        file: String,
        /// The address.
        entry: u64,
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
    /// The system refused something the host needs.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
}
