// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.
//!
//! Errors go to stderr as `pvhost: error: ...` and end with status 1; a wrong command line ends with status 2.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod audit;
mod bind;
mod check;
mod header;
mod list;
mod output;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod run;

/// Status of a command line that makes no sense.
const USAGE: u8 = 2;

/// What a subcommand may fail with: a text that names the culprit and the fix.
type Error = Box<dyn std::error::Error>;

#[derive(Debug, Parser)]
#[command(
    name = "pvhost",
    version,
    about = "Host side of the RTEMS paravirtualization layer",
    long_about = "Host side of the RTEMS paravirtualization layer.\n\n\
        A guest calls its host through a jump table of external functions. pvhost shows what a guest asks for, \
        generates the header to implement it, and checks that a host fits before anything runs.",
    after_help = EXAMPLES,
    arg_required_else_help = true,
    subcommand_required = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

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

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Arguments),
    Header(header::Arguments),
    Check(check::Arguments),
    Audit(audit::Arguments),
    Bind(bind::Arguments),
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Run(run::Arguments),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(refusal) => return explain(&refusal),
    };
    let status = match command_line.command {
        Command::List(arguments) => list::run(&arguments),
        Command::Header(arguments) => header::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Bind(arguments) => bind::run(&arguments),
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        Command::Run(arguments) => run::run(&arguments),
    };
    status.unwrap_or_else(|error| {
        eprintln!("pvhost: error: {error}");
        ExitCode::FAILURE
    })
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}; give a file that lists the host's functions")]
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
fn explain(refusal: &clap::Error) -> ExitCode {
    if refusal.use_stderr() {
        eprint!("pvhost: {}", refusal.render());
        ExitCode::from(USAGE)
    } else {
        match output::print(&refusal.render().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("pvhost: error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
