// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts that run RTEMS' programs, and what their exit status means.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::verdict::Ending;
use crate::arch::Arch;
use crate::emulators;
use crate::hosts;
use crate::pok;
use crate::tasks;
use crate::workspace::Workspace;

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Our own, in a Linux process.
    Process,
    /// Our own: a PC in QEMU, without a hypervisor.
    Qemu,
    /// Our own: a PVH domain of Xen, in QEMU.
    #[value(name = "xen", alias = "xen-pvh")]
    XenPvh,
    /// A partition of the POK kernel, in QEMU.
    Pok,
    /// RTEMS' own BSP pc686 in QEMU's emulation of a PC, for comparison.
    Pc686Qemu,
}

impl Kind {
    /// In names of files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Qemu => "qemu",
            Self::XenPvh => "xen-pvh",
            Self::Pok => "pok",
            Self::Pc686Qemu => "pc686-qemu",
        }
    }

    /// Time after which a sample is stopped; ticker takes 35 s of the guest's time.
    pub const fn limit(self) -> Duration {
        match self {
            // The kernel's interval timer interrupts 108,000 times a second, which an emulator does many times slower.
            Self::Pok => Duration::from_secs(1200),
            _ => Duration::from_secs(90),
        }
    }
}

/// Exit status of coreutils' `timeout` and of ours.
const TIMEOUT: i32 = 124;
/// Our exit status for a guest that does what it may not.
const FAULT: i32 = 5;
/// Our exit statuses before the guest runs.
const HOST_ERRORS: [i32; 2] = [1, 2];
/// What our host says first in each message of its own.
const MESSAGE: &str = "pvhost: ";
/// How a partition's last line begins.
const POK_ENDED: &str = "paravirt: partition 0: shutdown ";

/// A host that is ready.
#[derive(Clone, Debug)]
pub struct Host {
    kind: Kind,
    program: PathBuf,
    xen: Option<PathBuf>,
    tree: Option<PathBuf>,
    realtime: bool,
}

impl Host {
    /// Builds it where needed, from the source tree `tree` or the one that the environment names. With `realtime`, guests of the
    /// process host get real-time priority.
    ///
    /// # Errors
    /// It does not build, or what it needs is not installed.
    pub fn prepare(
        workspace: &Workspace,
        kind: Kind,
        tree: Option<&Path>,
        realtime: bool,
    ) -> Result<Self> {
        if let Some(missing) = emulators::missing(workspace, kind.name(), Arch::I386) {
            bail!("{missing}");
        }
        let (program, xen) = match kind {
            Kind::Pc686Qemu => (PathBuf::from("qemu-system-i386"), None),
            // This program builds a node for each guest.
            Kind::Pok => (std::env::current_exe()?, None),
            Kind::Process | Kind::Qemu => (build_pvhost(workspace)?, None),
            Kind::XenPvh => (build_pvhost(workspace)?, emulators::xen(workspace)),
        };
        let tree = match kind {
            Kind::Pok => Some(
                tree.map(Path::to_owned)
                    .or_else(|| std::env::var_os(tasks::pok::VARIABLE).map(PathBuf::from))
                    .context(pok::tree::WHAT_TO_INSTALL)?,
            ),
            _ => None,
        };
        Ok(Self {
            kind,
            program,
            xen,
            tree,
            realtime,
        })
    }

    /// Which one.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The command that runs `guest`.
    pub fn command(&self, guest: &Path) -> Command {
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Process => command
                .arg("run")
                .args(self.realtime.then_some("--realtime"))
                .arg(guest),
            Kind::Qemu | Kind::XenPvh => {
                if let Some(xen) = &self.xen {
                    command.env(emulators::XEN_VARIABLE, xen);
                }
                command.args(["run", "--host", self.kind.name()]).arg(guest)
            }
            Kind::Pok => {
                command.args(["pok", "--timeout"]);
                command.arg(Kind::Pok.limit().as_secs().to_string());
                if let Some(tree) = &self.tree {
                    command.arg("--tree").arg(tree);
                }
                command.arg("--run").arg(guest)
            }
            Kind::Pc686Qemu => command
                .args(["-m", "128", "-no-reboot", "-display", "none"])
                .args(["-monitor", "none", "-serial", "stdio", "-net", "none"])
                // RTEMS' console and its early messages, on the serial line.
                .args(["-append", "--console=/dev/com1 --video=none"])
                .arg("-kernel")
                .arg(guest),
        };
        command
    }

    /// What an exit status of [`Self::command`] under a time limit means, for a run that printed `output`.
    pub fn ending(&self, status: ExitStatus, output: &str) -> Ending {
        match (self.kind, status.code()) {
            (_, Some(TIMEOUT)) => Ending::Timeout,
            (_, None) => Ending::Host(-1),
            (Kind::Pc686Qemu, Some(0)) => Ending::Stopped,
            (Kind::Pc686Qemu, Some(status)) => Ending::Host(status),
            (Kind::Pok, Some(_)) if output.contains(POK_ENDED) => Ending::Stopped,
            (Kind::Pok, Some(status)) => Ending::Host(status),
            // A guest may end with any status; only with a message of the host it is not the guest's.
            (_, Some(_)) if !output.contains(MESSAGE) => Ending::Stopped,
            (_, Some(FAULT)) => Ending::Fault,
            (_, Some(status)) if HOST_ERRORS.contains(&status) => Ending::Host(status),
            (_, Some(_)) => Ending::Stopped,
        }
    }
}

fn build_pvhost(workspace: &Workspace) -> Result<PathBuf> {
    println!("building the host, pvhost");
    hosts::build(workspace, hosts::PVHOST)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn ending(kind: Kind, code: i32, output: &str) -> Ending {
        let host = Host {
            kind,
            program: PathBuf::new(),
            xen: None,
            tree: None,
            realtime: false,
        };
        host.ending(ExitStatus::from_raw(code << 8), output)
    }

    #[test]
    fn a_guest_s_own_status_is_no_error_of_its_host() {
        assert_eq!(ending(Kind::Process, 5, "*** END"), Ending::Stopped);
        assert_eq!(ending(Kind::Process, 3, "*** END"), Ending::Stopped);
        assert_eq!(
            ending(Kind::Process, 5, "pvhost: guest fault: .."),
            Ending::Fault
        );
        assert_eq!(
            ending(Kind::Process, 1, "pvhost: error: .."),
            Ending::Host(1)
        );
    }

    #[test]
    fn a_partition_that_said_its_last_line_stopped_by_itself() {
        let last = "[ RTEMS shutdown ]\nparavirt: partition 0: shutdown fatal 9\n";
        assert_eq!(ending(Kind::Pok, 1, last), Ending::Stopped);
        assert_eq!(
            ending(Kind::Pok, 1, "error: the node did not end in time"),
            Ending::Host(1)
        );
    }

    #[test]
    fn time_that_is_over_and_signals_are_recognized() {
        for kind in [
            Kind::Process,
            Kind::Qemu,
            Kind::XenPvh,
            Kind::Pok,
            Kind::Pc686Qemu,
        ] {
            assert_eq!(ending(kind, 124, ""), Ending::Timeout);
        }
        let host = Host {
            kind: Kind::Process,
            program: PathBuf::new(),
            xen: None,
            tree: None,
            realtime: false,
        };
        assert_eq!(host.ending(ExitStatus::from_raw(11), ""), Ending::Host(-1));
    }
}
