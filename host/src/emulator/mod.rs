// SPDX-License-Identifier: MIT OR Apache-2.0
//! Emulator host: runs a guest in QEMU, on the bare machine (a PC, or for AArch64 QEMU's `virt`) or as the first domain
//! of a real Xen; on AArch64 as its only one.
//!
//! The bodies of the guest's external functions are in its image: a backend that drives the machine or makes
//! hypercalls. This host finds QEMU and Xen, builds the command line, carries the console both ways and learns from the
//! guest's last words how it ended. It needs neither root nor KVM.
//!
//! | stream | way |
//! |---|---|
//! | console | COM1, or the Arm machine's PL011, a socket that QEMU has as its standard input and output; under Xen on a PC, Xen's lines are taken out, which begin with a mark of this run |
//! | debug console | port 0xe9, on Arm a virtio console, a pipe; Xen keeps that port of a PVH guest to itself and prints the lines with another mark |
//! | QEMU's messages | its standard error, a pipe; shown if it fails |
//! | Xen's log on Arm | a second virtio console, see `domain` |
//!
//! A guest that did what it may not, or gives up, tells its registers and stack on the debug console. It ends by the
//! line `paravirt: shutdown REASON CODE` there and a write to port 0xf4, which ends QEMU, or on Arm by switching the
//! machine off; where that is a domain's, which Xen outlives, QEMU is ended then. If a core is asked for, that is where
//! it waits for it.

mod arguments;
mod core;
mod domain;
mod end;
mod error;
mod filter;
mod input;
mod last_state;
mod output;
mod programs;
mod qemu;
mod session;
mod signals;
mod xen;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use end::MachineEnd;
pub use error::EmulatorError;
pub use programs::{XEN_ARM_VARIABLE, XEN_VARIABLE};

use self::core::Plan;
use crate::debug::backtrace::Backtrace;
use crate::debug::core::{CoreError, CoreFile};
use crate::image::{Image, Machine, check_loadable};
use crate::provides::Host;

/// Memory of a guest beside its image if nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 16 << 20;

/// The machine that QEMU shows the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualMachine {
    /// A machine without a hypervisor: for x86 a PC, entered by the PVH note, for AArch64 QEMU's `virt`, entered at
    /// EL1.
    Bare,
    /// The first domain of Xen, paravirtualized (x86-64 only).
    XenPv,
    /// The first domain of Xen, in a hardware container, entered by the PVH note.
    XenPvh,
    /// A domain that Xen for AArch64 builds itself, without one that controls the machine.
    XenDomu,
}

impl VirtualMachine {
    /// The one of that name among the [`HOSTS`](crate::provides::HOSTS); `None`: that host is no machine in QEMU.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Bare, Self::XenPv, Self::XenPvh, Self::XenDomu]
            .into_iter()
            .find(|platform| platform.name() == name)
    }

    /// Returns whether a guest of that machine can leave a core there. Of a PVH domain, QEMU cannot read the memory:
    /// the processor has tables of Xen's for it, which QEMU does not ask. Cores of AArch64 are not written yet.
    #[must_use]
    pub const fn has_cores(self, machine: Machine) -> bool {
        !matches!((self, machine), (Self::XenPvh, _) | (_, Machine::Aarch64))
    }

    /// Its name among the [`HOSTS`](crate::provides::HOSTS).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "qemu",
            Self::XenPv => "xen-pv",
            Self::XenPvh => "xen-pvh",
            Self::XenDomu => "xen-domu",
        }
    }
}

/// The interrupt controller of an Arm machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gic {
    /// GIC version 2.
    V2,
    /// GIC version 3.
    #[default]
    V3,
}

/// How a guest is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine.
    pub platform: VirtualMachine,
    /// Memory for the guest beside its image, in bytes.
    pub memory: u64,
    /// Arguments separated by single spaces.
    pub command_line: String,
    /// Time after which the guest is stopped.
    pub timeout: Option<Duration>,
    /// Whether time in the guest follows the instructions that it executes, so that runs are repeatable.
    pub icount: bool,
    /// The interrupt controller of an Arm machine.
    pub gic: Gic,
    /// Whether QEMU's command line and everything Xen prints are shown on standard error.
    pub verbose: bool,
    /// The file with Xen; `None`: the one of [`XEN_VARIABLE`] (for AArch64 [`XEN_ARM_VARIABLE`]), or the newest that was
    /// unpacked beside the program (from its folder, `../xen/boot` or `../xen-arm64/boot`), or the newest in /boot.
    pub xen: Option<PathBuf>,
    /// TCP port for debuggers, with whom QEMU speaks itself; the machine stands until one has it go on. `timeout` does
    /// not. Not for [`VirtualMachine::XenPvh`] and [`VirtualMachine::XenDomu`].
    pub debugger: Option<SocketAddr>,
}

/// A guest's end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: MachineEnd,
    /// Where it was when it did what it may not, or gave up, if it has told.
    pub backtrace: Option<Backtrace>,
    /// Why output of the guest was lost, if any was.
    pub lost: Option<io::Error>,
    /// The core that was asked for, or why it could not be written; `None` if none was due.
    pub core: Option<Result<PathBuf, CoreError>>,
}

/// Returns whether the image can run on that platform with so many bytes of memory beside it, by all that [`run`] asks
/// before it looks for QEMU and Xen.
///
/// # Errors
/// The image is not for that platform, or does not fit with that memory.
pub fn check(image: &Image, platform: VirtualMachine, memory: u64) -> Result<(), EmulatorError> {
    if let Some(host) = Host::find(platform.name()) {
        check_loadable(image, &host.policy())?;
    }
    arguments::memory(image, platform, memory).map(drop)
}

/// The guest in the form in which Xen's tools, Xen itself and boot loaders take one for AArch64: the `Image` of a
/// kernel (Linux, Documentation/arch/arm64/booting.rst).
///
/// # Errors
/// The image is not for [`VirtualMachine::XenDomu`].
pub fn kernel_image(image: &Image) -> Result<Vec<u8>, EmulatorError> {
    check(image, VirtualMachine::XenDomu, 0)?;
    Ok(domain::flat(image))
}

/// Runs the guest to its end, with standard input and output as its console. What was read of its file is what QEMU
/// gets. If it ends otherwise than by its exit ([`MachineEnd::leaves_core`]), it leaves that core.
///
/// While it runs, every signal that would end the program, and can be caught, ends it in good order; the program must
/// have no other threads then, which could take them. A reader of standard output who goes away ends it as SIGPIPE
/// would.
///
/// # Errors
/// The image is not for that platform, QEMU or Xen are not there, the system refuses something, or a core is asked for
/// of a guest of which there can be none ([`VirtualMachine::has_cores`]).
pub fn run(image: &Image, options: &Options, core: Option<CoreFile>) -> Result<Finished, EmulatorError> {
    check(image, options.platform, options.memory)?;
    if core.is_some() && !options.platform.has_cores(image.machine()) {
        return Err(EmulatorError::NoCore {
            platform: options.platform.name(),
            machine: image.machine(),
        });
    }
    // What no clock can show is never.
    let deadline = (options.timeout).and_then(|timeout| Instant::now().checked_add(timeout));
    let files = match programs::find(image, options, deadline) {
        Err(EmulatorError::Read { source, .. }) if source.kind() == io::ErrorKind::TimedOut => {
            return Ok(Finished {
                exit: MachineEnd::Timeout,
                backtrace: None,
                lost: None,
                core: None,
            });
        }
        files => files?,
    };
    let size = arguments::memory(image, options.platform, options.memory)?;
    let plan = |file| Plan::new(file, options.platform, size, options.command_line.clone());
    let plan = core.map(plan).transpose();
    let mut plan = plan.map_err(EmulatorError::system("cannot prepare for a core"))?;
    let arguments = arguments::arguments(image, &files, options, plan.as_ref())?;
    let shown = arguments::shown(image, &files, &arguments);
    let qemu = qemu::start(&files, image.machine(), &arguments, plan.as_ref())?;
    if let Some(plan) = &mut plan {
        plan.started();
    }
    let marks = files.xen.filter(|xen| xen.domain.is_none()).map(|xen| xen.marks);
    session::run(qemu, marks, &shown, image, options, deadline, plan)
}
