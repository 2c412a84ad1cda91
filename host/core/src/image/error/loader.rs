// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only a loader refuses: the file is sound, but not for this host.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use paravirt_abi::vcpu;

use crate::image::{Access, Machine};

/// Why a host does not load an image that is sound. Addresses are the guest's, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoaderProblem {
    /// The host runs other architectures.
    #[error("built for {machine}; this host runs {supported}: build the guest for one of them")]
    MachineNotSupported {
        /// The guest's architecture.
        machine: Machine,
        /// What the host runs.
        supported: String,
    },
    /// It asks for a dynamic linker.
    #[error("needs a dynamic linker (PT_INTERP or PT_DYNAMIC); link the guest static: `-static`")]
    Dynamic,
    /// A segment where no guest memory can be.
    #[error(
        "segment at {address:#x} lies below {lowest:#x}, where this host maps nothing{}; \
         link the guest at 0x100000, as the linker scripts do",
        if *address == 0 { ", to catch null pointers" } else { "" }
    )]
    SegmentTooLow {
        /// The segment's address.
        address: u64,
        /// The lowest address allowed.
        lowest: u64,
    },
    /// A segment where the host itself lives.
    #[error(
        "segment at {address:#x} to {end:#x} reaches past {highest:#x}, the end of guest memory; link the guest lower"
    )]
    SegmentTooHigh {
        /// The segment's address.
        address: u64,
        /// First address behind it.
        end: u64,
        /// First address a guest may not use.
        highest: u64,
    },
    /// Too much memory asked for.
    #[error("segments need {size} bytes of memory, more than the {limit} granted; grant more or shrink static buffers")]
    TooMuchMemory {
        /// Sum of the segments' sizes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Writable code.
    #[error(
        "segment at {address:#x} is writable and executable; \
         give code and data segments of their own (no `-N`, `--omagic`), as the linker scripts do"
    )]
    WritableCode {
        /// The segment's address.
        address: u64,
    },
    /// Two segments of different access share a page.
    #[error(
        "segments at {first:#x} ({first_access}) and {second:#x} ({second_access}) share a page but not their access; \
         align segments to {page} bytes in the linker script"
    )]
    SharedPage {
        /// Address of the lower segment.
        first: u64,
        /// Its access.
        first_access: Access,
        /// Address of the upper segment.
        second: u64,
        /// Its access.
        second_access: Access,
        /// Page size.
        page: u64,
    },
    /// No identity note where the host needs one.
    #[error(
        "no identity note, so the vCPU page is unknown; link the guest layer and keep {} in the linker script",
        paravirt_abi::note::SECTION
    )]
    NoIdentity,
    /// The same, and the image is as those of L4RTEMS were.
    #[error(
        "no identity note and no prototypes, as in L4RTEMS, so it can get no interrupts; link the guest layer, or run \
         it with what it can have without: option `--compat l4rtems`, of libparavirt_host.a the flag PVH_COMPAT_L4RTEMS"
    )]
    L4rtems,
    /// No backend for this host in the image.
    #[error(
        "no backend for this host in the image, which has {}; add `{wanted}` to the backends of its `image!`",
        if carried.is_empty() { "none".to_owned() } else { carried.join(", ") }
    )]
    NoBackend {
        /// The backend for this host.
        wanted: &'static str,
        /// Those in the image.
        carried: Vec<String>,
    },
    /// This host cannot enter the image.
    #[error(
        "no {point} entry point: the note of owner Xen, type {kind}, is missing; add `{backend}` to the backends of \
         its `image!` and keep .note.Xen in the linker script"
    )]
    NoEntryPoint {
        /// What it is called.
        point: &'static str,
        /// Type of its note.
        kind: u32,
        /// The backend that brings it.
        backend: &'static str,
    },
    /// Code that keeps data below the stack pointer, on a host that pushes frames there.
    #[error(
        "its code uses the red zone, where this host pushes interrupt frames; build it and its `core` without one: \
        `cargo xtask setup` and `cargo xtask guests NAME` do (options for another build: `-C no-redzone --cfg \
        paravirt_no_redzone`, for C `-mno-red-zone`)"
    )]
    RedZone,
    /// The vCPU page does not look like one.
    #[error(
        "the vCPU page at {address:#x} has layout version {version}, this host knows version {}; link the guest with \
        the same paravirt-bsp",
        vcpu::VERSION
    )]
    VcpuVersion {
        /// Its address.
        address: u64,
        /// Its version.
        version: u32,
    },
    /// The upcall entry is not code.
    #[error(
        "the upcall entry {entry:#x} in the vCPU page is not in executable memory; is the image stripped of its \
        interrupt code?"
    )]
    UpcallEntry {
        /// The address.
        entry: u64,
    },
}
