// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run`: runs a guest in this process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pvhost::image::Image;
use pvhost::process::{DEFAULT_MEMORY, Exit, Vm};

use super::Error;

/// Run a guest as a Linux process, without root and without KVM
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Linked guest executable, for x86-64 or i386
    guest: PathBuf,

    /// Memory for the guest beside its image: bytes, or with suffix K, M or G
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = DEFAULT_MEMORY)]
    memory: u64,

    /// Stop the guest after that many seconds, with status 124
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// Bind each external function on its first call instead of all before the start
    #[arg(long)]
    lazy: bool,

    /// Run with real-time priority (SCHED_FIFO), from 1 to 99; needs CAP_SYS_NICE or `ulimit -r`
    #[arg(
        long,
        value_name = "PRIORITY",
        value_parser = clap::value_parser!(u8).range(1..=99),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "50"
    )]
    realtime: Option<u8>,

    /// Print what was counted on stderr when the guest has ended
    #[arg(long)]
    stats: bool,

    /// Arguments for the guest
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  pvhost run hello
  pvhost run ticker --timeout 10 --stats -- 5      the guest gets the argument 5

Input and output are the guest's console. A terminal is put into raw mode while the guest reads from it; Ctrl-C ends the
guest.

Exit status: the guest's own (modulo 256), or
  1 the guest cannot be started, 2 wrong command line, 3 the guest reported a fatal error, 4 it asked for a reset,
  5 it did what it may not (reported on stderr), 124 timeout; on a signal, death by that signal.";

/// Runs the guest; its end is the program's.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let image = Image::open(&arguments.guest)?;
    let mut builder = Vm::builder(image)
        .memory(arguments.memory)
        .command_line(arguments.arguments.join(" "))
        .lazy(arguments.lazy)
        .handle_signals(true);
    if let Some(timeout) = arguments.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(priority) = arguments.realtime {
        builder = builder.realtime(priority);
    }
    let vm = builder.build()?;
    for name in vm.unbound() {
        eprintln!(
            "pvhost: warning: no host function for `{name}`; a call of it ends the guest \
             (`pvhost check` shows what was meant)"
        );
    }
    let finished = vm.run()?;
    match &finished.exit {
        Exit::Fault(fault) | Exit::Unbound(fault) => eprintln!("pvhost: guest fault: {fault}"),
        Exit::Timeout => eprintln!("pvhost: the guest's time is over"),
        _ => {}
    }
    if arguments.stats {
        eprint!("{}", finished.stats);
    }
    if let Exit::Signal(signal) = finished.exit {
        die_by(signal);
    }
    Ok(ExitCode::from(finished.exit.status()))
}

/// Ends as whoever sent the signal expects.
fn die_by(signal: i32) {
    // SAFETY: no pointers; the default action of these signals ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
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
