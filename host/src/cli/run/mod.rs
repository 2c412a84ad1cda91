// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run`: runs a guest.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use pvhost::emulator::Platform;
use pvhost::image::Image;
use pvhost::process::DEFAULT_MEMORY;

use super::{Error, ExitStatus, Subcommand};

mod emulator;
mod process;
mod report;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Linked guest executable, for x86-64 or i386
    guest: PathBuf,

    /// Where it runs
    #[arg(long, value_enum, value_name = "HOST", default_value_t = Host::Process)]
    host: Host,

    /// Memory for the guest beside its image: bytes, or with suffix K, M or G
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = DEFAULT_MEMORY)]
    memory: u64,

    /// Let the guest execute that memory, even if its image does not ask for it; in QEMU it always may
    #[arg(long)]
    executable_memory: bool,

    /// Stop the guest after that many seconds, with status 124
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// Process: bind each external function on its first call instead of all before the start
    #[arg(long)]
    lazy: bool,

    /// Process: accept images of that year's L4RTEMS, with its functions and its entry, but without interrupts
    #[arg(long, value_enum, value_name = "YEAR")]
    compat: Option<Compat>,

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

    /// Process: print what was counted on stderr when the guest has ended
    #[arg(long)]
    stats: bool,

    /// Process: print how the guest ended and what was counted as JSON, as the last line on stderr
    #[arg(long)]
    json: bool,

    /// QEMU: let time follow the instructions executed, so that runs are repeatable
    #[arg(long)]
    icount: bool,

    /// QEMU: print its command line and everything Xen says on stderr
    #[arg(long)]
    verbose: bool,

    /// The file with Xen [default: $PVHOST_XEN, or the newest that `cargo xtask setup` unpacked, or in /boot]
    #[arg(long, value_name = "FILE")]
    xen: Option<PathBuf>,

    /// Arguments for the guest
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Where a guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Host {
    /// A Linux process
    Process,
    /// QEMU, a PC without a hypervisor
    Qemu,
    /// Xen in QEMU, paravirtualized if the guest can be
    Xen,
    /// Xen in QEMU, paravirtualized (x86-64)
    XenPv,
    /// Xen in QEMU, in a hardware container (PVH)
    XenPvh,
}

/// Whose images are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// L4RTEMS for i386
    #[value(name = "2013")]
    L4Rtems,
}

const EXAMPLES: &str = "\
Examples:
  pvhost run hello
  pvhost run ticker --timeout 10 --stats -- 5      the guest gets the argument 5
  pvhost run hello --host qemu
  pvhost run hello --host xen --verbose            with all that Xen says

Input and output are the guest's console. A terminal is put into raw mode while the guest reads from it; Ctrl-C ends the
guest. In QEMU the console is a serial line: the end of the input reaches the guest as Ctrl-D.

QEMU and Xen are Debian's packages qemu-system-x86 and xen-hypervisor-VERSION-amd64, 4.17 or later; `cargo xtask setup` brings
them. The guest is Xen's first domain and carries a backend for where it runs (`pvhost list`).

Exit status: the guest's own (modulo 256), or
  1 the guest cannot be started, 2 wrong command line, 3 the guest reported a fatal error, 4 it asked for a reset,
  5 it did what it may not (reported on stderr), 124 timeout; on a signal, death by that signal.";

impl Subcommand for Arguments {
    const NAME: &str = "run";
    const ABOUT: &str =
        "Run a guest: as a Linux process, in QEMU, or under Xen; none needs root or KVM";

    fn run(&self) -> Result<ExitStatus, Error> {
        if let Err(refusal) = self.check() {
            return Ok(super::explain(&refusal));
        }
        let image = Image::open(&self.guest)?;
        let platform = match self.host {
            Host::Process => return process::run(image, self),
            Host::Qemu => Platform::Bare,
            Host::XenPv => Platform::XenPv,
            Host::XenPvh => Platform::XenPvh,
            Host::Xen if image.entries().xen_pv.is_some() => Platform::XenPv,
            Host::Xen => Platform::XenPvh,
        };
        emulator::run(&image, platform, self)
    }
}

impl Arguments {
    /// The guest's command line.
    fn command_line(&self) -> String {
        self.arguments.join(" ")
    }

    /// Refuses options of another host.
    fn check(&self) -> Result<(), clap::Error> {
        let process = self.host == Host::Process;
        let xen = !process && self.host != Host::Qemu;
        let given = [
            ("--lazy", self.lazy, process, "process"),
            ("--compat", self.compat.is_some(), process, "process"),
            ("--realtime", self.realtime.is_some(), process, "process"),
            ("--stats", self.stats, process, "process"),
            ("--json", self.json, process, "process"),
            ("--icount", self.icount, !process, "qemu` or `--host xen"),
            ("--verbose", self.verbose, !process, "qemu` or `--host xen"),
            ("--xen", self.xen.is_some(), xen, "xen"),
        ];
        for (option, given, fits, host) in given {
            if given && !fits {
                return Err(clap::Error::raw(
                    ErrorKind::ArgumentConflict,
                    format!("`{option}` is for `--host {host}` only; leave it out\n"),
                ));
            }
        }
        Ok(())
    }
}

/// Warns of a function that nobody provides.
fn warn_of_unbound(name: &str) {
    eprintln!(
        "pvhost: warning: no host function for `{name}`; a call of it ends the guest \
         (`pvhost check` shows what was meant)"
    );
}

fn say_timeout() {
    eprintln!("pvhost: the guest's time is over");
}

/// Ends as whoever sent the signal expects.
fn die_by(signal: i32) {
    // SAFETY: a live variable, filled in by the calls; the default action of these signals ends the process.
    unsafe {
        let mut set = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        // Whoever started us may have it blocked.
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not a positive number of seconds".into())
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().next_back() {
        Some((end, 'k' | 'K')) => (&text[..end], 10),
        Some((end, 'm' | 'M')) => (&text[..end], 20),
        Some((end, 'g' | 'G')) => (&text[..end], 30),
        _ => (text, 0),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "not a size: a number of bytes, or with suffix K, M or G".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64k"), Ok(65536));
        assert_eq!(size("2G"), Ok(2 << 30));
        for wrong in ["", "M", "-1", "1T", "1.5M", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_positive() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "1s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
