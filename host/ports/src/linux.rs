// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask linux`: a guest for AArch64 as a process of Linux for AArch64, on a machine with another processor.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use paravirt_build::aarch64;
use paravirt_build::hosts::PVHOST;
use paravirt_build::tools::Tool;
use paravirt_build::workspace::Workspace;

/// What there must be.
pub const NEEDED: [Tool; 4] = [Tool::LinuxAarch64, Tool::QemuArm, Tool::CrossAarch64, Tool::RustAarch64];
/// Time follows the instructions of all, 8 ns each, so that what else the machine does changes nothing, and what waits
/// costs nothing.
const TIME: [&str; 2] = ["-icount", "shift=3,sleep=off"];
/// How the last line begins, before the exit status of `pvhost run`.
const ENDED: &str = "(exit status ";

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The guest
    #[arg(value_name = "ELF")]
    guest: PathBuf,
    /// Seconds after which the machine is stopped
    #[arg(long, value_name = "SECS", default_value_t = 180)]
    timeout: u64,
    /// Options of `pvhost run`; behind another `--`, arguments for the guest
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

/// Runs it, and shows what it printed when it has ended. Returns whether it ended with exit status 0.
///
/// # Errors
/// Something is not installed, does not build, or the machine does not come to an end.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    for tool in NEEDED {
        tool.probe(workspace)
            .context("run `cargo xtask setup`, which installs it")?;
    }
    for word in &arguments.options {
        // The machine's first program divides its commands there.
        ensure!(
            !word.is_empty() && !word.contains(char::is_whitespace),
            "{word:?}: options and arguments with blanks do not get there"
        );
    }
    let programs = [
        ("pvhost", aarch64::build(workspace, PVHOST)?),
        ("guest", arguments.guest.clone()),
    ];
    let (options, guest) = match arguments.options.iter().position(|word| word == "--") {
        Some(end) => arguments.options.split_at(end),
        None => (&arguments.options[..], &[][..]),
    };
    let words = [
        &["/pvhost", "run"].map(str::to_owned)[..],
        options,
        &["/guest".to_owned()],
        guest,
    ]
    .concat();
    let limit = Duration::from_secs(arguments.timeout);
    let runs = aarch64::linux::run(workspace, &programs, &[words.join(" ")], &TIME, limit)?;
    let (status, said) = &runs[0];
    // The first line is the command.
    let said = said.split_once('\n').map_or("", |(_, said)| said);
    println!("{said}\n{ENDED}{status})");
    Ok(*status == 0)
}

/// The exit status that the last line tells; `None` if the machine did not get to it.
pub fn status(output: &str) -> Option<u8> {
    let end = output.trim_end().lines().next_back()?;
    end.strip_prefix(ENDED)?.strip_suffix(')')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_last_line_tells_the_exit_status() {
        for (output, expected) in [
            ("*** END OF TEST HELLO WORLD ***\n\n(exit status 0)\n", Some(0)),
            ("guest fault\n(exit status 5)\n", Some(5)),
            ("(exit status 5)\nerror: Linux in QEMU did not end\n", None),
            ("(exit status 300)\n", None),
            ("", None),
        ] {
            assert_eq!(status(output), expected, "{output:?}");
        }
    }
}
