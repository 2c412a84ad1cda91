// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts that run RTEMS' programs, and what their exit status means.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::bsp::Bsp;
use crate::l4re;
use crate::l4re::command::{FIASCO_VARIABLE, TREE_VARIABLE};
use crate::linux;
use crate::pok;
use crate::pok::command::VARIABLE as POK_VARIABLE;
use paravirt_build::arch::Arch;
use paravirt_build::emulators;
use paravirt_build::hosts;
use paravirt_build::tools::Tool;
use paravirt_build::workspace::Workspace;
use pvhost::process::{Time, TimeError};
use pvhost::testing::{self, Ending, Launcher, Printed, Test};

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// Our own, in a Linux process.
    Process,
    /// Our own: a machine in QEMU, without a hypervisor.
    Qemu,
    /// Our own: a PVH domain of Xen, in QEMU.
    #[value(name = "xen", alias = "xen-pvh")]
    XenPvh,
    /// Our own: a domain of Xen for AArch64, in QEMU.
    XenDomu,
    /// A partition of the POK kernel, in QEMU.
    Pok,
    /// A task of L4Re on the Fiasco microkernel, in QEMU.
    L4re,
    /// Our own, in a process of Linux for AArch64, in QEMU.
    Linux,
    /// RTEMS' own BSP pc686 in QEMU's emulation of a PC, for comparison.
    Pc686Qemu,
    /// RTEMS' own BSP a53_lp64_qemu, in QEMU, for comparison.
    #[value(name = "a53-qemu")]
    A53Qemu,
}

impl Kind {
    /// The one that needs nothing else: a Linux process, for another processor than this machine's QEMU.
    pub const fn usual(bsp: Bsp) -> Self {
        match bsp {
            Bsp::I386 => Self::Process,
            Bsp::Aarch64 => Self::Qemu,
        }
    }

    /// The host of this kind for that BSP; Xen has another for each.
    ///
    /// # Errors
    /// There is none.
    pub fn of_bsp(self, bsp: Bsp) -> Result<Self> {
        let kind = match (self, bsp) {
            (Self::XenPvh, Bsp::Aarch64) => Self::XenDomu,
            (kind, _) => kind,
        };
        let runs = match kind {
            Self::Process | Self::Qemu => true,
            Self::XenDomu | Self::Linux | Self::A53Qemu => bsp == Bsp::Aarch64,
            Self::XenPvh | Self::Pok | Self::L4re | Self::Pc686Qemu => bsp == Bsp::I386,
        };
        ensure!(
            runs,
            "the host {} runs nothing that is built for {}",
            kind.name(),
            bsp.name()
        );
        Ok(kind)
    }

    /// In names of files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// RTEMS' own BSP to compare with.
    pub const fn reference(bsp: Bsp) -> Self {
        match bsp {
            Bsp::I386 => Self::Pc686Qemu,
            Bsp::Aarch64 => Self::A53Qemu,
        }
    }

    /// Time after which a sample is stopped; ticker takes 35 s of the guest's time.
    pub const fn limit(self) -> Duration {
        match self {
            // The kernel's interval timer interrupts 108,000 times a second, which an emulator does many times slower.
            Self::Pok => Duration::from_secs(1200),
            Self::L4re | Self::Linux => Duration::from_secs(300),
            _ => Duration::from_secs(90),
        }
    }

    /// Whether its time can follow the instructions of its guest.
    const fn can_count(self) -> bool {
        matches!(self, Self::Qemu | Self::Pc686Qemu | Self::A53Qemu)
    }

    /// Most guests at a time.
    pub const fn most_jobs(self) -> usize {
        match self {
            // All are built in one folder.
            Self::L4re => 1,
            _ => usize::MAX,
        }
    }
}

/// Where hosts are that are built from a user's trees, which stay as they are.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Trees {
    /// For the host pok: its source tree (without it, POK_TREE names it). For l4re: the folder in which L4Re was built
    /// (L4RE_TREE)
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// For the host l4re: the folder in which the Fiasco microkernel was built (L4RE_FIASCO)
    #[arg(long, value_name = "DIR")]
    fiasco: Option<PathBuf>,
}

impl Trees {
    /// Looks before anything is built.
    ///
    /// # Errors
    /// One that hosts of that kind need is not named (the error says what to fetch), or is no such tree.
    pub fn check(&self, kind: Kind) -> Result<()> {
        let options = self.options(kind)?;
        match (kind, &options[..]) {
            (Kind::Pok, [(_, tree)]) => pok::tree::Tree::at(tree).map(drop),
            (Kind::L4re, [(_, tree), (_, fiasco)]) => {
                let tree = l4re::tree::Tree::at(tree, fiasco)?;
                ensure!(
                    tree.arch == Arch::I386,
                    "RTEMS' BSP is for i386, and {} for {}; name an L4Re that was built for x86-32",
                    tree.build.display(),
                    tree.name()
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The options by which the task for hosts of that kind knows them, and the folders.
    fn options(&self, kind: Kind) -> Result<Vec<(&'static str, PathBuf)>> {
        let folder = |named: &Option<PathBuf>, variable: &str, help: &'static str| {
            let folder = named.clone().or_else(|| std::env::var_os(variable).map(PathBuf::from));
            folder.context(help)
        };
        Ok(match kind {
            Kind::Pok => vec![("--tree", folder(&self.tree, POK_VARIABLE, pok::tree::WHAT_TO_INSTALL)?)],
            Kind::L4re => {
                let help = l4re::tree::WHAT_TO_INSTALL;
                vec![
                    ("--tree", folder(&self.tree, TREE_VARIABLE, help)?),
                    ("--fiasco", folder(&self.fiasco, FIASCO_VARIABLE, help)?),
                ]
            }
            _ => {
                ensure!(
                    self.tree.is_none() && self.fiasco.is_none(),
                    "the host {} is not built from a user's tree",
                    kind.name()
                );
                Vec::new()
            }
        })
    }
}

/// Under which conditions programs run, where it is not the host's usual ones.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Conditions {
    /// Give test programs on the process host real-time priority; some compare times with the tick
    #[arg(long, requires = "tests")]
    pub realtime: bool,
    /// How time passes for test programs on the process host, as for `pvhost test`: real, fast, fast=N, steps, or how
    /// many times as fast
    #[arg(long, value_name = "MODE", value_parser = time_of_tests, requires = "tests")]
    pub time: Option<Time>,
    /// Let the time of test programs in QEMU follow the instructions executed, so that runs are repeatable and waiting
    /// takes no time
    #[arg(long, requires = "tests")]
    pub icount: bool,
}

impl Conditions {
    /// Looks before anything is built.
    ///
    /// # Errors
    /// Hosts of that kind do not know one of them.
    pub fn check(&self, kind: Kind) -> Result<()> {
        ensure!(
            self.time.is_none() || kind == Kind::Process,
            "--time is for the host process: time on the host {} is the machine's or the emulator's",
            kind.name()
        );
        ensure!(
            !self.icount || kind.can_count(),
            "--icount is for the host qemu and RTEMS' own BSPs, not for {}",
            kind.name()
        );
        Ok(())
    }

    /// The name of results, which are others in another time.
    pub fn record(&self, kind: Kind) -> String {
        let name = kind.name();
        match self.time {
            _ if self.icount => format!("{name}-icount"),
            None | Some(Time::Real) => name.to_owned(),
            Some(time) => format!("{name}-{time}"),
        }
    }

    /// The names of all results of one of RTEMS' own BSPs.
    pub fn records(reference: Kind) -> [String; 2] {
        [false, true].map(|icount| {
            let conditions = Self {
                icount,
                ..Self::default()
            };
            conditions.record(reference)
        })
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.realtime {
            f.write_str(", with real-time priority")?;
        }
        if let Some(time) = self.time {
            write!(f, ", with the time {time}")?;
        }
        if self.icount {
            f.write_str(", with the time of instructions")?;
        }
        Ok(())
    }
}

/// As `pvhost test` understands it.
fn time_of_tests(text: &str) -> std::result::Result<Time, TimeError> {
    testing::time_of_tests(text.as_ref()).to_string_lossy().parse()
}

/// QEMU's options by which its time follows the instructions; `pvhost run --icount` has the same.
const ICOUNT: [&str; 2] = ["-icount", "shift=4,sleep=off"];

/// How a partition's last line begins.
const POK_ENDED: &str = "paravirt: partition 0: shutdown ";

/// A host that is ready.
#[derive(Clone, Debug)]
pub struct Host {
    workspace: Workspace,
    bsp: Bsp,
    /// Which one.
    pub kind: Kind,
    program: PathBuf,
    trees: Vec<(&'static str, PathBuf)>,
    conditions: Conditions,
}

impl Host {
    /// Builds it where needed, for programs of `bsp`. `ports` is this package's program.
    ///
    /// # Errors
    /// It does not build, or what it needs is not installed.
    pub fn prepare(
        workspace: &Workspace,
        bsp: Bsp,
        kind: Kind,
        trees: &Trees,
        conditions: Conditions,
        ports: &Path,
    ) -> Result<Self> {
        let needed = match kind {
            Kind::Qemu if bsp == Bsp::Aarch64 => &[Tool::QemuArm][..],
            Kind::Qemu => &[Tool::Qemu],
            Kind::XenPvh => &[Tool::Qemu, Tool::Xen],
            Kind::XenDomu => &[Tool::QemuArm, Tool::XenArm],
            Kind::Linux => &linux::NEEDED,
            Kind::A53Qemu => &[Tool::QemuArm],
            Kind::Process if emulators::emulates_programs(bsp.arch()) => &[Tool::QemuUser, Tool::RustAarch64],
            _ => &[],
        };
        for tool in needed {
            tool.probe(workspace)
                .context("run `cargo xtask setup`, which installs it")?;
        }
        let program = match kind {
            Kind::Pc686Qemu => PathBuf::from("qemu-system-i386"),
            Kind::A53Qemu => emulators::emulator(emulators::QEMU_ARM),
            // Our own program, whose command for the host builds what is started for each guest.
            Kind::Pok | Kind::L4re | Kind::Linux => ports.to_owned(),
            Kind::Process => {
                println!("building the host, pvhost");
                hosts::build_process_host(workspace, bsp.arch())?
            }
            Kind::Qemu | Kind::XenPvh | Kind::XenDomu => {
                println!("building the host, pvhost");
                hosts::build(workspace, hosts::PVHOST)?
            }
        };
        Ok(Self {
            workspace: workspace.clone(),
            bsp,
            kind,
            program,
            trees: trees.options(kind)?,
            conditions,
        })
    }

    /// The command that runs `guest`. Not every host passes it arguments.
    pub fn command(&self, guest: &Path, arguments: &[String]) -> Command {
        let mut command = match self.kind {
            Kind::Process => emulators::start_program(self.bsp.arch(), &self.program),
            _ => Command::new(&self.program),
        };
        emulators::environment(&mut command, &self.workspace);
        let icount = if self.conditions.icount { &ICOUNT[..] } else { &[] };
        match self.kind {
            Kind::Process => command
                .arg("run")
                .args(emulators::without_sandbox(self.bsp.arch()))
                .args(self.conditions.realtime.then_some("--realtime"))
                .args(self.conditions.time.map(|time| format!("--time={time}")))
                .arg(guest),
            Kind::Qemu | Kind::XenPvh | Kind::XenDomu => command
                .args(["run", "--host", self.kind.name()])
                .args(self.conditions.icount.then_some("--icount"))
                .arg(guest),
            Kind::Pok | Kind::L4re => {
                let limit = self.kind.limit().as_secs().to_string();
                command.args([self.kind.name(), "--timeout", &limit]);
                for (option, folder) in &self.trees {
                    command.arg(option).arg(folder);
                }
                let run = if self.kind == Kind::Pok { "--run" } else { "--guest" };
                command.arg(run).arg(guest)
            }
            Kind::Linux => {
                let limit = self.kind.limit().as_secs().to_string();
                command.args(["linux", "--timeout", &limit]).arg(guest)
            }
            Kind::A53Qemu => command
                .args([
                    "-M",
                    "virt,gic-version=3",
                    "-cpu",
                    "cortex-a53",
                    "-m",
                    "1024",
                    "-no-reboot",
                ])
                .args([
                    "-display", "none", "-monitor", "none", "-serial", "stdio", "-net", "none",
                ])
                .args(icount)
                .arg("-kernel")
                .arg(guest),
            Kind::Pc686Qemu => command
                .args(["-m", "128", "-no-reboot", "-display", "none"])
                .args(["-monitor", "none", "-serial", "stdio", "-net", "none"])
                // RTEMS' console and its early messages, on the serial line.
                .args(["-append", "--console=/dev/com1 --video=none"])
                .args(icount)
                .arg("-kernel")
                .arg(guest),
        };
        let passes = !matches!(self.kind, Kind::Pok | Kind::Linux | Kind::Pc686Qemu | Kind::A53Qemu);
        if passes && !arguments.is_empty() {
            command.arg("--").args(arguments);
        }
        command
    }
}

impl Launcher for Host {
    fn command(&self, test: &Test) -> Command {
        self.command(&test.file, &[])
    }

    fn ending(&self, status: ExitStatus, printed: &Printed) -> Ending {
        let output = String::from_utf8_lossy(&printed.all);
        match (self.kind, status.code()) {
            (Kind::Process | Kind::Qemu | Kind::XenPvh | Kind::XenDomu, _) => testing::ending(status, printed),
            (_, None) => Ending::Host(-1),
            (Kind::Pc686Qemu | Kind::A53Qemu, Some(0)) => Ending::Stopped(0),
            (Kind::Linux, Some(status)) => match linux::status(&output) {
                Some(status) => testing::ending(ExitStatus::from_raw(i32::from(status) << 8), printed),
                None => Ending::Host(status),
            },
            (Kind::Pok, Some(status)) if output.contains(POK_ENDED) => Ending::Stopped(status),
            (Kind::Pok | Kind::Pc686Qemu | Kind::A53Qemu, Some(status)) => Ending::Host(status),
            (Kind::L4re, Some(status)) => ending_on_l4re(status, &output),
        }
    }
}

/// The task for L4Re ends with a line `(exit 0, exit status 0)`; the first part is empty for a guest that was not
/// started.
fn ending_on_l4re(status: i32, output: &str) -> Ending {
    let end = output.trim_end().lines().next_back().unwrap_or_default();
    match end.strip_prefix('(').and_then(|end| end.split_once(", exit status ")) {
        None | Some(("", _)) => Ending::Host(status),
        Some((how, _)) if how.starts_with("fault") => Ending::Fault,
        Some(_) => Ending::Stopped(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kind: Kind, conditions: Conditions) -> Host {
        Host {
            workspace: Workspace::find().expect("a checkout"),
            bsp: Bsp::I386,
            kind,
            program: PathBuf::from("pvhost"),
            trees: Vec::new(),
            conditions,
        }
    }

    fn ending(kind: Kind, code: i32, output: &str) -> Ending {
        ended(kind, ExitStatus::from_raw(code << 8), output)
    }

    fn ended(kind: Kind, status: ExitStatus, output: &str) -> Ending {
        let host = host(kind, Conditions::default());
        let printed = Printed {
            all: output.into(),
            ..Printed::default()
        };
        host.ending(status, &printed)
    }

    #[test]
    fn a_partition_that_said_its_last_line_stopped_by_itself() {
        let last = "[ RTEMS shutdown ]\nparavirt: partition 0: shutdown fatal 9\n";
        assert_eq!(ending(Kind::Pok, 1, last), Ending::Stopped(1));
        assert_eq!(
            ending(Kind::Pok, 1, "error: the node did not end in time"),
            Ending::Host(1)
        );
    }

    #[test]
    fn the_last_line_of_the_task_for_l4re_says_how_it_ended() {
        for (last, expected) in [
            ("(fatal 9, exit status 3)", Ending::Stopped(1)),
            ("(fault, exit status 5)", Ending::Fault),
            ("(, exit status 1)", Ending::Host(1)),
            ("error: the machine did not end in time", Ending::Host(1)),
        ] {
            let output = format!("*** END OF TEST HELLO WORLD ***\n{last}\n");
            assert_eq!(ending(Kind::L4re, 1, &output), expected, "{last}");
        }
    }

    #[test]
    fn a_tree_is_for_hosts_that_are_built_from_one() {
        let trees = Trees {
            tree: Some(PathBuf::from("/somewhere")),
            fiasco: None,
        };
        assert!(trees.options(Kind::Process).is_err());
        assert!(Trees::default().options(Kind::Process).is_ok());
        assert_eq!(
            trees.options(Kind::Pok).expect("it is named"),
            [("--tree", PathBuf::from("/somewhere"))]
        );
    }

    #[test]
    fn how_time_passes_is_told_to_the_process_host() {
        let conditions = Conditions {
            time: Some(Time::Fast),
            ..Conditions::default()
        };
        let host = host(Kind::Process, conditions);
        let command = host.command(Path::new("hello.exe"), &[]);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["run", "--time=fast", "hello.exe"]);
        assert!(conditions.check(Kind::Process).is_ok());
        assert!(conditions.check(Kind::Qemu).is_err());
        assert_eq!(conditions.record(Kind::Process), "process-fast");
    }

    #[test]
    fn that_time_follows_instructions_is_told_to_qemu() {
        let conditions = Conditions {
            icount: true,
            ..Conditions::default()
        };
        for (kind, told) in [
            (Kind::Qemu, "run --host qemu --icount hello.exe"),
            (Kind::A53Qemu, "-icount shift=4,sleep=off -kernel hello.exe"),
            (Kind::Pc686Qemu, "-icount shift=4,sleep=off -kernel hello.exe"),
        ] {
            let command = host(kind, conditions).command(Path::new("hello.exe"), &[]);
            let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
            let words = words.join(" ");
            assert!(words.ends_with(told), "{words}");
            assert!(conditions.check(kind).is_ok());
        }
        assert!(conditions.check(Kind::Process).is_err());
        assert_eq!(conditions.record(Kind::Qemu), "qemu-icount");
    }

    #[test]
    fn a_signal_is_no_end_of_a_guest() {
        for kind in [
            Kind::Process,
            Kind::Qemu,
            Kind::XenPvh,
            Kind::XenDomu,
            Kind::Pok,
            Kind::L4re,
            Kind::Linux,
            Kind::Pc686Qemu,
            Kind::A53Qemu,
        ] {
            assert_eq!(ended(kind, ExitStatus::from_raw(11), POK_ENDED), Ending::Host(-1));
        }
    }
}
