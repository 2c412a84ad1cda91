// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a guest could not be run in QEMU.

use std::io;

use crate::image::{ImageError, Machine};
use crate::text::Escaped;

/// Why a guest could not be run in QEMU.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The image is not for this platform.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There is no QEMU.
    #[error(
        "there is no {program} in PATH; install QEMU (`cargo xtask setup`, or on Debian `apt-get install \
        --no-install-recommends {package}`)"
    )]
    NoQemu {
        /// The program looked for.
        program: &'static str,
        /// Debian's package with it.
        package: &'static str,
    },
    /// There is no Xen.
    #[error(
        "there is no Xen for {architecture} beside this program or in {folder}; `cargo xtask setup` unpacks one for a \
        pvhost that was built in this project's `target`; or name the file with --xen or in {variable}. Debian's \
        package has its version in its name, such as xen-hypervisor-4.17-{architecture}; to unpack it only: {}",
        unpacking(architecture)
    )]
    NoXen {
        /// Where it was looked for, too.
        folder: &'static str,
        /// The environment variable that may name it.
        variable: &'static str,
        /// Its architecture, as Debian calls it.
        architecture: &'static str,
    },
    /// A file cannot be read.
    #[error("{file}: {source}; {fix}", file = Escaped(file))]
    Read {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
        /// What to do.
        fix: &'static str,
    },
    /// The file is something else.
    #[error(
        "{file} is not Xen: {reason}; give the compressed or uncompressed file that a boot loader would load, such as \
        {}", example(architecture), file = Escaped(file))]
    NotXen {
        /// The file.
        file: String,
        /// Why.
        reason: &'static str,
        /// Its architecture, as Debian calls it.
        architecture: &'static str,
    },
    /// The device tree for Xen cannot be made.
    #[error("no device tree for Xen: {0}; the guest's arguments must have no NUL")]
    DeviceTree(vm_fdt::Error),
    /// The image lies where the machine has no memory, or something else.
    #[error(
        "the image begins at {start:#x}, and this machine has memory for it from {lowest:#x} on; link it there, as the \
        linker script aarch64.ld does"
    )]
    Low {
        /// Begin of the image.
        start: u64,
        /// Where it may begin.
        lowest: u64,
    },
    /// The memory asked for is not what the machine can have.
    #[error(
        "{memory:#x} bytes of memory and the image, which ends at {end:#x}, do not fit below {limit:#x}; ask for less"
    )]
    Memory {
        /// Bytes asked for.
        memory: u64,
        /// End of the image.
        end: u64,
        /// Memory that the machine can have in one piece.
        limit: u64,
    },
    /// The command line is too long.
    #[error("the command line has {length} bytes; on {platform} at most {limit} reach a guest")]
    CommandLine {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        limit: usize,
        /// The platform.
        platform: &'static str,
    },
    /// QEMU cannot read the guest's memory for a debugger.
    #[error(
        "no debugger on {0}: there Xen has page tables of its own below the guest's; debug it in a process or on \
        `qemu`, for x86-64 also on `xen-pv`"
    )]
    NoDebugger(&'static str),
    /// QEMU does not say which port it has taken.
    #[error("QEMU does not say which port a debugger finds it at; name one that is not 0")]
    NoPort,
    /// A core is asked for where there can be none.
    #[error("there is no core of a guest on {platform}: {}, or without `--core`", no_core(*.machine))]
    NoCore {
        /// The platform.
        platform: &'static str,
        /// The guest's.
        machine: Machine,
    },
    /// The system refused something.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
}

impl EmulatorError {
    /// For `map_err`.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System(what, source)
    }
}

/// How a person unpacks Debian's package.
fn unpacking(architecture: &str) -> String {
    let package = format!("xen-hypervisor-4.17-{architecture}");
    format!(
        "`apt-get download {package} && dpkg-deb -x xen-hypervisor-*.deb xen`, then --xen xen{}",
        example(architecture)
    )
}

/// A file with Xen.
fn example(architecture: &str) -> &'static str {
    match architecture {
        "arm64" => "/boot/xen-4.17-arm64",
        _ => "/boot/xen-4.17-amd64.gz",
    }
}

/// Why there is no core.
const fn no_core(machine: Machine) -> &'static str {
    match machine {
        Machine::Aarch64 => "cores of AArch64 are not written yet; run it on another machine",
        _ => "QEMU cannot read a PVH domain's memory; run it with `--host qemu` or `--host xen-pv`",
    }
}
