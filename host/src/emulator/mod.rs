// SPDX-License-Identifier: MIT OR Apache-2.0
//! Emulator host: runs a guest in QEMU, on the bare machine or as the first domain of a real Xen.
//!
//! The bodies of the guest's external functions are in its image: a backend that drives the machine or makes hypercalls. This
//! host finds QEMU and Xen, builds the command line, carries the console both ways and learns from the guest's last words how
//! it ended. It needs neither root nor KVM.
//!
//! | stream | way |
//! |---|---|
//! | console | COM1, a socket that QEMU has as its standard input and output; under Xen, Xen's lines are taken out |
//! | debug console | port 0xe9, a pipe; Xen keeps that port of a PVH guest to itself and prints the lines as `(d0) ...` |
//! | QEMU's messages | its standard error, a pipe; shown if it fails |
//!
//! A guest ends by the line `paravirt: shutdown REASON CODE` on the debug console and a write to port 0xf4, which ends QEMU.

mod arguments;
mod error;
mod exit;
mod filter;
mod input;
mod lines;
mod output;
mod programs;
mod qemu;
mod record;
mod session;
mod signals;
mod xen;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::EmulatorError;
pub use exit::Exit;
pub use programs::XEN_VARIABLE;

use crate::image::{Image, check_loadable};
use crate::provides::Host;

/// Memory of a guest beside its image if nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 16 << 20;

/// The machine that QEMU shows the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A PC without a hypervisor, entered by the PVH note.
    Bare,
    /// The first domain of Xen, paravirtualized (x86-64 only).
    XenPv,
    /// The first domain of Xen, in a hardware container, entered by the PVH note.
    XenPvh,
}

impl Platform {
    /// The one of that name among the [`HOSTS`](crate::provides::HOSTS); `None`: that host is no machine in QEMU.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Bare, Self::XenPv, Self::XenPvh]
            .into_iter()
            .find(|platform| platform.name() == name)
    }

    /// Its name among the [`HOSTS`](crate::provides::HOSTS).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "qemu",
            Self::XenPv => "xen-pv",
            Self::XenPvh => "xen-pvh",
        }
    }
}

/// How a guest is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine.
    pub platform: Platform,
    /// Memory for the guest beside its image, in bytes.
    pub memory: u64,
    /// Arguments separated by single spaces.
    pub command_line: String,
    /// Time after which the guest is stopped.
    pub timeout: Option<Duration>,
    /// Whether time in the guest follows the instructions that it executes, so that runs are repeatable.
    pub icount: bool,
    /// Whether QEMU's command line and everything Xen prints are shown on standard error.
    pub verbose: bool,
    /// The file with Xen; `None`: the one of [`XEN_VARIABLE`], or the newest that was unpacked beside the program (from its folder,
    /// `../xen/boot`), or the newest in /boot.
    pub xen: Option<PathBuf>,
}

/// Runs the guest, which was read from the file `guest`, to its end, with standard input and output as its console.
///
/// While it runs, SIGINT, SIGTERM, SIGHUP and SIGQUIT end it in good order; the program must have no other threads then, which
/// could take them.
///
/// # Errors
/// The image is not for that platform, QEMU or Xen are not there, or the system refuses something.
pub fn run(image: &Image, guest: &Path, options: &Options) -> Result<Exit, EmulatorError> {
    if let Some(host) = Host::find(options.platform.name()) {
        check_loadable(image, &host.policy())?;
    }
    let files = programs::find(guest, options)?;
    let arguments = arguments::arguments(image, guest, &files, options)?;
    if options.verbose {
        eprint!("{}", arguments::shown(&files, &arguments));
    }
    let qemu = qemu::start(&files, &arguments)?;
    session::run(qemu, options)
}
