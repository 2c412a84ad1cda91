// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run`: runs a guest.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{Args, Command, FromArgMatches, ValueEnum};
use pvhost::emulator::{Gic, VirtualMachine};
use pvhost::image::{Image, Machine, OpenError};
use pvhost::process::Time;
use pvhost::provides::{Host, Missing, Nearest};

use self::console::Place;
use super::host::HostName;
use super::{Error, ExitStatus, FAILURE, SUCCESS, Subcommand, output, read, say, signal, units};

mod console;
mod core;
mod debugger;
mod emulator;
mod process;
mod report;
mod tests_of_guest;

#[derive(Debug, Default, PartialEq, Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "pvhost run [OPTIONS] <GUEST> [-- <ARGS>...]\n       pvhost run [OPTIONS] -- <GUEST> [ARGS]..."
)]
pub(super) struct Arguments {
    /// Linked guest executable, for x86-64, i386 or AArch64 (which on x86-64 runs in QEMU)
    #[arg(required_unless_present = "arguments")]
    guest: Option<PathBuf>,

    /// Where it runs
    #[arg(long, value_enum, value_name = "HOST", default_value_t = HostName::Process)]
    host: HostName,

    /// Memory for the guest beside its image: bytes, or with a unit (KiB, MiB, GiB, short K, M, G)
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = DEFAULT_MEMORY)]
    memory: u64,

    /// The guest's console: stdio, pty, unix:PATH, tcp:[HOST:]PORT (HOST is 127.0.0.1 if not given, PORT 0 any), or
    /// file:PATH, which has no input; with `,wait` behind it, the guest waits for its reader
    #[arg(long, value_name = "WHERE", value_parser = console::parser(), default_value = "stdio")]
    console: Place,

    /// Let clients of `--console tcp` come from other machines; nobody asks them who they are
    #[arg(long)]
    console_open_to_network: bool,

    /// Let the guest execute that memory, even if its image does not ask for it; in QEMU it always may
    #[arg(long)]
    executable_memory: bool,

    /// Stop the guest after that time, with status 124: seconds, or with a unit (ms, s, min, h)
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    timeout: Option<Duration>,

    /// Process: how guest time passes: real, fast (as fast as the guest can, without waiting) or fast=N (on a processor
    /// that is N times slower), steps or steps=NS (by so many ns at each call, the same in each run), or how many times
    /// as fast as the clock, as 0.1 or 20
    #[arg(long, value_name = "TIME", default_value_t = Time::Real, hide_default_value = true)]
    time: Time,

    /// Process, with `--time steps`: vary the steps, the same for the same number, to interrupt the guest elsewhere
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Say nothing but errors, and that there is no sandbox: not what is missing, nor that the time is over
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// Say on stderr what is bound; QEMU: its command line and everything Xen says
    #[arg(short, long)]
    verbose: bool,

    /// Process: bind each external function on its first call instead of all before the start
    #[arg(long)]
    lazy: bool,

    /// Process: accept images of that year's L4RTEMS, with its functions and its entry, but without interrupts
    #[arg(long, value_enum, value_name = "YEAR")]
    compat: Option<Compat>,

    /// Wait for a debugger (gdb's `target remote`) before the guest's first instruction, at [HOST:]PORT (HOST is
    /// 127.0.0.1 if not given), for a process also PORT 0 (any) and unix:PATH; without WHERE at 127.0.0.1:1234
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = debugger::parser(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = debugger::DEFAULT
    )]
    gdb: Option<debugger::Place>,

    /// Let debuggers come from other machines; nobody asks them who they are
    #[arg(long)]
    gdb_open_to_network: bool,

    /// Process: run with real-time priority (SCHED_FIFO), from 1 to 99; needs CAP_SYS_NICE or `ulimit -r`
    #[arg(
        long,
        value_name = "PRIORITY",
        value_parser = clap::value_parser!(u8).range(1..=99),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "50"
    )]
    realtime: Option<u8>,

    /// Process: leave out the sandbox, the seccomp filter around the guest; then its code can do what you can
    #[arg(long)]
    no_sandbox: bool,

    /// Process: print what was counted on stderr when the guest has ended
    #[arg(long)]
    stats: bool,

    /// Process: print how the guest ended and what was counted as JSON, as the last line on stderr
    #[arg(long)]
    json: bool,

    /// Process: find out how much of its stacks the guest uses, and which overflow; --stats and --json say it
    #[arg(long)]
    stack_check: bool,

    /// Process: write which lines were executed, of code that counts, to files in this folder: of C and C++ for gcov,
    /// of Rust for llvm-cov
    #[arg(long, value_name = "DIR")]
    coverage: Option<PathBuf>,

    /// Write a core of the guest to this file if it ends otherwise than by its exit: for `gdb GUEST FILE`
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,

    /// As `--core`, to a new file in this folder, named after the guest [default: $PVHOST_CORE_DIR, or none]
    #[arg(long, value_name = "DIR", conflicts_with = "core")]
    core_dir: Option<PathBuf>,

    /// Process: write what the guest has done to that file, for Perfetto (ui.perfetto.dev) and `pvhost report`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Process, with `--trace`: memory for what is written; when it is full, the oldest goes
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = trace_memory,
        default_value = DEFAULT_TRACE_MEMORY,
        requires = "trace"
    )]
    trace_memory: u64,

    /// Process: sample where the guest's processor time goes, and write a flame graph to that file if its name ends in
    /// `.svg`, else folded stacks
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// QEMU: let time follow the instructions executed, so that runs are repeatable
    #[arg(long)]
    icount: bool,

    /// QEMU and Xen, AArch64: version of the machine's interrupt controller [default: 3]
    #[arg(long, value_enum, value_name = "VERSION")]
    gic: Option<GicVersion>,

    /// The file with Xen [default: $PVHOST_XEN (AArch64: $PVHOST_XEN_ARM64), or the newest that `cargo xtask setup`
    /// unpacked, or in /boot]
    #[arg(long, value_name = "FILE")]
    xen: Option<PathBuf>,

    /// Run a guest that holds tests as any other: with the name of a test it runs that one, without it lists them
    #[arg(long, hide = true)]
    one_test: bool,

    /// Arguments for the guest; the first one is the guest if there is none before `--`
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// What [`pvhost::process::DEFAULT_MEMORY`] is on the command line.
pub(super) const DEFAULT_MEMORY: &str = "16MiB";

/// The interrupt controller of an Arm machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GicVersion {
    /// GICv2
    #[value(name = "2")]
    V2,
    /// GICv3
    #[value(name = "3")]
    V3,
}

impl From<GicVersion> for Gic {
    fn from(version: GicVersion) -> Self {
        match version {
            GicVersion::V2 => Self::V2,
            GicVersion::V3 => Self::V3,
        }
    }
}

/// What [`pvhost::trace::DEFAULT_MEMORY`] is on the command line.
const DEFAULT_TRACE_MEMORY: &str = "32MiB";

/// Memory for a trace.
fn trace_memory(text: &str) -> Result<u64, String> {
    let size = units::size(text)?;
    if pvhost::trace::MEMORY.contains(&size) {
        return Ok(size);
    }
    let [least, most] = [pvhost::trace::MEMORY.start(), pvhost::trace::MEMORY.end()].map(|size| units::shown(*size));
    Err(format!("give {least} to {most}"))
}

/// Whose images are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// L4RTEMS for i386
    #[value(name = "l4rtems", alias = "2013")]
    L4Rtems,
}

const EXAMPLES: &str = "\
Examples:
  pvhost run hello
  pvhost run ticker --timeout 10s --stats -- 5     the guest gets the argument 5
  pvhost run -- ticker 5                           the guest gets the argument 5
  pvhost run ticker --time fast                    without waiting for its ticks
  pvhost run hello --host qemu
  pvhost run hello --host xen --verbose            with all that Xen says

With `runner = \"pvhost run --\"` cargo can run a guest, and its tests, each in a run of its own; `pvhost new` \
writes such a project.

Time is the clock's, or with `--time` slower, faster, or the same in each run, whatever else the machine does; \
`--timeout` is always the clock's.

Input and output are the guest's console, or --console says where it is: a client that connects there, and may go and \
come, gets what the guest has printed meanwhile, up to 1 MiB. A terminal is put into raw mode while the guest reads \
from it; Ctrl-C ends \
the guest. In QEMU the console is a serial line: the end of the input reaches the guest as Ctrl-D.

QEMU and Xen are Debian's packages qemu-system-x86 (for AArch64 qemu-system-arm) and xen-hypervisor-VERSION-amd64 \
(-arm64), 4.17 or later; `cargo xtask setup` brings them. The guest is Xen's first domain, on AArch64 its only one, and \
carries a backend for where it runs (`pvhost list`).

A guest in a process can read and write all of this process's memory, but it cannot call Linux: a seccomp filter ends \
it with a report, unless you say --no-sandbox. SECURITY.md says what that holds and what it does not.

Exit status: the guest's own (modulo 256), or
  1    the guest cannot be started, or it ended well but output of it was lost
  2    wrong command line
  3    the guest reported a fatal error
  4    it asked for a reset
  5    it did what it may not, which is reported on stderr
  124  timeout
A signal that ends the run ends pvhost, too; SIGPIPE: nobody reads the output.";

impl Subcommand for Arguments {
    const NAME: &str = "run";
    const ABOUT: &str = "Run a guest: as a Linux process, in QEMU, or under Xen; none needs root or KVM";

    /// One guest and its arguments.
    fn plain(words: &[OsString]) -> Option<Self> {
        let dashes = words.iter().position(|word| word == "--");
        let (before, arguments) = match dashes {
            Some(at) => (&words[..at], &words[at + 1..]),
            None => (words, &[][..]),
        };
        let guest = match before {
            [] if arguments.is_empty() => return None,
            [] => None,
            [word] if word.is_empty() || word.as_bytes().starts_with(b"-") => return None,
            [word] => Some(PathBuf::from(word)),
            _ => return None,
        };
        Some(Self {
            guest,
            arguments: arguments.to_vec(),
            memory: pvhost::process::DEFAULT_MEMORY,
            trace_memory: pvhost::trace::DEFAULT_MEMORY,
            ..Self::default()
        })
    }

    fn run(&self) -> Result<ExitStatus, Error> {
        // Of guests that no process of this machine runs, another host than was asked for is chosen below.
        if self.host != HostName::Process
            && let Err(refusal) = self.check(self.host)
        {
            return Ok(super::print_refusal(refusal));
        }
        let start = Instant::now();
        if self.timeout.is_some() {
            // What is said before the guest's start does not put off its end.
            output::hurry_from(start);
        }
        let end = (self.timeout).and_then(|timeout| start.checked_add(timeout));
        let image = match end {
            None => read::image(self.guest())?,
            Some(end) => match read::image_until(self.guest(), end) {
                Err(OpenError::Read(_, source)) if source.kind() == io::ErrorKind::TimedOut => {
                    self.say_timeout();
                    return Ok(pvhost::process::Exit::Timeout.status());
                }
                image => image?,
            },
        };
        let mut chosen = self.host;
        if chosen == HostName::Process && image.machine() == Machine::Aarch64 && cfg!(not(target_arch = "aarch64")) {
            chosen = HostName::Qemu;
        }
        if let Err(refusal) = self.check(chosen) {
            return Ok(super::print_refusal(refusal));
        }
        if self.one_test {
            // Whoever started it for a test goes: so does the guest.
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        } else if pvhost::testing::holds_tests(&image) {
            if self.console != Place::Stdio {
                return Err("a guest that holds tests prints them: leave out `--console`".into());
            }
            if self.core.is_some() {
                return Err("each test of a guest is a run of its own: give `--core-dir` in place of `--core`".into());
            }
            return tests_of_guest::run(self);
        }
        if chosen != self.host && !self.quiet {
            say::note("built for aarch64, so it runs in QEMU, as with `--host qemu`");
        }
        if self.gic.is_some() && image.machine() != Machine::Aarch64 {
            return Err("`--gic` is for guests for AArch64 only; leave it out".into());
        }
        let host = chosen.host(&image);
        match VirtualMachine::find(host.name) {
            None => process::run(image, host, self, end),
            Some(platform) => emulator::run(&image, host, platform, self, end),
        }
    }
}

impl Arguments {
    /// Refuses what are no options for a guest that is named behind them.
    pub(super) fn check_options(options: &[OsString]) -> Result<(), clap::Error> {
        let command = Self::augment_args(Command::new("run").bin_name("pvhost run"));
        let words = [OsStr::new("run")]
            .into_iter()
            .chain(options.iter().map(OsString::as_os_str));
        let matches = command.try_get_matches_from(words.chain(["--", "GUEST"].map(OsStr::new)))?;
        let arguments = Self::from_arg_matches(&matches)?;
        if arguments.guest.is_some() || arguments.arguments.len() > 1 {
            let message = "behind `--` are options for `pvhost run`, and nothing else\n";
            return Err(clap::Error::raw(ErrorKind::UnknownArgument, message));
        }
        if arguments.quiet {
            let message = "with `--quiet`, `pvhost run` does not say how a guest has ended; leave it out\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        if arguments.core.is_some() {
            let message = "with `--core` all guests would write the same file; give `--core-dir` in its place\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        arguments.check(arguments.host)
    }

    /// The guest's file, wherever on the command line it stands.
    fn guest(&self) -> &Path {
        let first = || self.arguments.first().map(Path::new);
        self.guest.as_deref().or_else(first).unwrap_or(Path::new(""))
    }

    /// The guest's command line.
    fn command_line(&self) -> Result<String, Error> {
        let arguments = &self.arguments[usize::from(self.guest.is_none())..];
        arguments
            .join(OsStr::new(" "))
            .into_string()
            .map_err(|text| format!("the guest's arguments {text:?} are no UTF-8, which a command line is").into())
    }

    /// Files that come of a run in this process, one for each option that names one.
    fn results(&self) -> Vec<&Path> {
        let console = match &self.console {
            Place::File(file) => Some(file),
            _ => None,
        };
        let files = [console, self.core.as_ref(), self.trace.as_ref(), self.profile.as_ref()];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }

    /// Refuses options of another host than `host`.
    fn check(&self, host: HostName) -> Result<(), clap::Error> {
        let process = matches!(host, HostName::Process | HostName::ProcessL4rtems);
        let xen = !process && host != HostName::Qemu;
        let has_gic = matches!(host, HostName::Qemu | HostName::Xen | HostName::XenDomu);
        let given = [
            ("--time", self.time != Time::Real, process, "process"),
            ("--console", self.console != Place::Stdio, process, "process"),
            ("--lazy", self.lazy, process, "process"),
            ("--compat", self.compat.is_some(), process, "process"),
            ("--realtime", self.realtime.is_some(), process, "process"),
            ("--no-sandbox", self.no_sandbox, process, "process"),
            ("--stats", self.stats, process, "process"),
            ("--json", self.json, process, "process"),
            ("--stack-check", self.stack_check, process, "process"),
            ("--coverage", self.coverage.is_some(), process, "process"),
            ("--trace", self.trace.is_some(), process, "process"),
            ("--profile", self.profile.is_some(), process, "process"),
            ("--icount", self.icount, !process, "qemu` or `--host xen"),
            ("--gic", self.gic.is_some(), has_gic, "qemu` or `--host xen"),
            ("--xen", self.xen.is_some(), xen, "xen"),
        ];
        for (option, given, fits, right) in given {
            if given && !fits {
                let why = if host == self.host {
                    format!("`{option}` is for `--host {right}` only; leave it out\n")
                } else {
                    format!("a guest for aarch64 runs in QEMU here, where there is no `{option}`; leave it out\n")
                };
                return Err(clap::Error::raw(ErrorKind::ArgumentConflict, why));
            }
        }
        if self.seed.is_some() && !matches!(self.time, Time::Steps(_)) {
            return Err(clap::Error::raw(
                ErrorKind::ArgumentConflict,
                "`--seed` varies steps of time; give `--time steps` with it\n",
            ));
        }
        if self.core.as_deref() == Some(Path::new("-")) {
            return Err(clap::Error::raw(
                ErrorKind::ValueValidation,
                "`--core` wants a file, since gdb reads one here and there; name it\n",
            ));
        }
        if self.console_open_to_network && !matches!(self.console, Place::Tcp { .. }) {
            return Err(clap::Error::raw(
                ErrorKind::ArgumentConflict,
                "`--console-open-to-network` is for `--console tcp:HOST:PORT` only; leave it out\n",
            ));
        }
        if !process && matches!(self.gdb, Some(debugger::Place::Unix(_))) {
            return Err(clap::Error::raw(
                ErrorKind::ArgumentConflict,
                "QEMU would overwrite a file of that name: give `--gdb=PORT`, or `--host process`\n",
            ));
        }
        if self.gdb_open_to_network && !matches!(self.gdb, Some(debugger::Place::Tcp(_))) {
            return Err(clap::Error::raw(
                ErrorKind::ArgumentConflict,
                "`--gdb-open-to-network` is for `--gdb=HOST:PORT` only; leave it out\n",
            ));
        }
        Ok(())
    }

    /// How guest time passes.
    const fn time(&self) -> Time {
        match (self.time, self.seed) {
            (Time::Steps(steps), Some(seed)) => Time::Steps(steps.with_seed(seed)),
            (time, _) => time,
        }
    }

    fn say_timeout(&self) {
        output::hurry_from(Instant::now());
        if let (false, Some(timeout)) = (self.quiet, self.timeout) {
            say::note(format_args!("timed out after {} s (--timeout)", timeout.as_secs_f64()));
        }
    }
}

/// Says of each function that is missing which one it is, of many only how many more. A call of it ends the guest.
fn say_missing<'a>(image: &'a Image, host: &Host, missing: impl Iterator<Item = &'a str>) {
    const MANY: usize = 50;
    let mut missing: HashSet<&str> = missing.collect();
    if missing.is_empty() {
        return;
    }
    let provides = host.provides_to(image);
    let mut nearest = Nearest::new(&provides);
    // L4RTEMS images may name one function several times.
    let first: Vec<_> = image
        .externals()
        .iter()
        .filter(|external| missing.remove(external.name.as_str()))
        .take(MANY)
        .collect();
    for external in first {
        let nearest = &nearest.to(&external.name);
        say::note(Missing { external, nearest });
    }
    if !missing.is_empty() {
        let more = missing.len();
        say::note(format_args!("missing: {more} more; `pvhost check` names them"));
    }
}

/// What the program ends with after a guest's end with that status, by that signal if by any, with `lost` output if any
/// was lost: a status, and the signal that it is to die by.
fn conclude(status: ExitStatus, signal: Option<i32>, lost: Option<&io::Error>) -> (ExitStatus, Option<i32>) {
    if let Some(signal) = signal {
        output::hurry_from(Instant::now());
        if signal::is_deadly(signal) {
            return (status, Some(signal));
        }
    }
    let status = if signal.is_some() { SUCCESS } else { status };
    let Some(source) = lost else {
        return (status, None);
    };
    say::error(format_args!("cannot write the guest's output: {source}"));
    let is_well = status == SUCCESS;
    (if is_well { FAILURE } else { status }, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What clap makes of these words; `None`: a refusal.
    fn by_clap(words: &[OsString]) -> Option<Arguments> {
        let command = Arguments::augment_args(Command::new("run")).no_binary_name(true);
        let matches = command.try_get_matches_from(words).ok()?;
        Some(Arguments::from_arg_matches(&matches).expect("clap accepts them"))
    }

    #[test]
    fn plain_words_say_what_they_say_to_clap() {
        for (line, is_plain) in [
            ("hello", true),
            ("hello --", true),
            ("hello -- a", true),
            ("hello -- a -- --stats -q", true),
            ("-- hello", true),
            ("-- hello a -- b", true),
            ("-- -", true),
            ("-", false),
            ("", false),
            ("--", false),
            ("a b", false),
            ("a b -- c", false),
            ("hello --stats", false),
            ("--stats hello", false),
            ("-q -- hello", false),
            ("--timeout 1 hello", false),
        ] {
            let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
            let plain = Arguments::plain(&words);
            assert_eq!(plain.is_some(), is_plain, "{line}");
            if is_plain {
                assert_eq!(plain, by_clap(&words), "{line}");
            }
        }
        assert_eq!(Arguments::plain(&["".into()]), None);
    }

    #[test]
    fn the_default_is_the_librarys() {
        assert_eq!(units::size(DEFAULT_MEMORY), Ok(pvhost::process::DEFAULT_MEMORY));
        assert_eq!(units::size(DEFAULT_MEMORY), Ok(pvhost::emulator::DEFAULT_MEMORY));
        assert_eq!(units::size(DEFAULT_TRACE_MEMORY), Ok(pvhost::trace::DEFAULT_MEMORY));
    }
}
