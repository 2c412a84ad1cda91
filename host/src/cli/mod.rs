// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.
//!
//! Errors go to stderr as `pvhost: error: ...` and end with status 1; a wrong command line ends with status 2.

use std::path::Path;

use clap::{ArgMatches, Args, Command};
use pvhost::text::Escaped;

mod audit;
mod bind;
mod check;
mod header;
mod list;
mod output;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod run;

/// Exit status of the program.
pub(crate) type ExitStatus = u8;

const SUCCESS: ExitStatus = 0;
const FAILURE: ExitStatus = 1;
/// Of a command line that makes no sense.
const USAGE: ExitStatus = 2;

/// What a subcommand may fail with: a text that names the culprit and the fix.
type Error = Box<dyn std::error::Error>;

const EXAMPLES: &str = "\
Examples:
  pvhost list hello                              what hello asks for, and who provides it
  pvhost header hello --format c -o hello.h      prototypes for a host written in C
  pvhost check hello --host linux-process        does this host fit?
  pvhost check hello --provides functions.txt    does mine?
  pvhost audit hello                             what touches hardware behind the host's back?
  pvhost bind hello --provides host.txt -o bound  put the host's addresses into its slots
  pvhost run hello                               run it in a process

Exit status: 0 success, 1 error or guest and host do not fit, 2 wrong command line; of `run` see `pvhost run --help`.";

/// What one subcommand takes, and what it does with it.
trait Subcommand: Args {
    const NAME: &str;
    /// What it does, in one line.
    const ABOUT: &str;

    fn run(&self) -> Result<ExitStatus, Error>;
}

/// A subcommand without its type.
struct Entry {
    name: &'static str,
    about: &'static str,
    describe: fn(Command) -> Command,
    run: fn(&ArgMatches) -> Result<ExitStatus, Error>,
}

impl Entry {
    const fn of<S: Subcommand>() -> Self {
        Self {
            name: S::NAME,
            about: S::ABOUT,
            describe: S::augment_args,
            run: |matches| match S::from_arg_matches(matches) {
                Ok(arguments) => arguments.run(),
                Err(refusal) => Ok(explain(&refusal)),
            },
        }
    }
}

/// The subcommands in the order of the help.
const SUBCOMMANDS: &[Entry] = &[
    Entry::of::<list::Arguments>(),
    Entry::of::<header::Arguments>(),
    Entry::of::<check::Arguments>(),
    Entry::of::<audit::Arguments>(),
    Entry::of::<bind::Arguments>(),
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Entry::of::<run::Arguments>(),
];

/// The command line. Only the subcommand that is asked for has its arguments described: to describe those of all takes a tenth of
/// the time from the start of `pvhost run hello` to its exit.
fn command_line() -> Command {
    let subcommand = |entry: &Entry| {
        Command::new(entry.name)
            .about(entry.about)
            .defer(entry.describe)
    };
    Command::new("pvhost")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Host side of the RTEMS paravirtualization layer")
        .long_about(
            "Host side of the RTEMS paravirtualization layer.\n\n\
             A guest calls its host through a jump table of external functions. pvhost shows what a guest asks for, \
             generates the header to implement it, and checks that a host fits before anything runs.",
        )
        .after_help(EXAMPLES)
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommands(SUBCOMMANDS.iter().map(subcommand))
}

/// Runs the program.
pub(crate) fn main() -> ExitStatus {
    let matches = match command_line().try_get_matches() {
        Ok(matches) => matches,
        Err(refusal) => return explain(&refusal),
    };
    let asked = matches.subcommand().and_then(|(name, matches)| {
        let entry = SUBCOMMANDS.iter().find(|entry| entry.name == name)?;
        Some((entry, matches))
    });
    let Some((entry, matches)) = asked else {
        // clap refuses a command line without a subcommand, and any other subcommand.
        return USAGE;
    };
    (entry.run)(matches).unwrap_or_else(|error| {
        eprintln!("pvhost: error: {error}");
        FAILURE
    })
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}; give a file that lists the host's functions", file = Escaped(file))]
struct ListError {
    file: String,
    source: std::io::Error,
}

/// The text of a list of functions.
fn read_list(file: &Path) -> Result<String, ListError> {
    std::fs::read_to_string(file).map_err(|source| ListError {
        file: file.display().to_string(),
        source,
    })
}

/// Prints help, version, or what is wrong with the command line.
fn explain(refusal: &clap::Error) -> ExitStatus {
    if refusal.use_stderr() {
        eprint!("pvhost: {}", refusal.render());
        USAGE
    } else {
        match output::print(&refusal.render().to_string()) {
            Ok(()) => SUCCESS,
            Err(error) => {
                eprintln!("pvhost: error: {error}");
                FAILURE
            }
        }
    }
}
