// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.
//!
//! Errors go to stderr as `pvhost: error: ...` and end with status 1; a wrong command line ends with status 2.

use std::env;
use std::ffi::OsString;

use clap::error::ContextValue;
use clap::{ArgMatches, Args, Command};
use pvhost::text::Escaped;

mod audit;
mod bind;
mod check;
mod completions;
mod header;
mod host;
#[cfg(process_host)]
mod image;
mod json;
mod list;
mod man;
mod new;
mod output;
mod read;
mod replace;
#[cfg(process_host)]
mod report;
#[cfg(process_host)]
mod run;
mod say;
#[cfg(process_host)]
pub(crate) mod signal;
#[cfg(process_host)]
mod test;
#[cfg(process_host)]
mod units;

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
  pvhost list hello                       what it asks for, and who provides it
  pvhost header hello -o hello.h          prototypes for a host written in C
  pvhost check hello --host process       does this host fit?
  pvhost check hello --provides host.txt  does mine?
  pvhost audit hello                      what touches hardware behind its back?
  pvhost bind hello --provides host.txt -o bound
                                          put the host's addresses in its slots
  pvhost image hello -o hello.image       as a kernel for Xen on AArch64
  pvhost run hello                        run it in a process
  pvhost test guests                      run all that are in a folder
  pvhost report trace                     what a trace of `run` says
  pvhost new mine                         begin a guest of your own

Where a file is read, `-` is standard input, and where one is written, standard output. Colours are for terminals, \
unless NO_COLOR is set.

Exit status: 0 success, 1 error or guest and host do not fit, 2 wrong command line; of `run` see `pvhost run --help`.";

/// What one subcommand takes, and what it does with it.
trait Subcommand: Args {
    const NAME: &str;
    /// What it does, in one line.
    const ABOUT: &str;

    fn run(&self) -> Result<ExitStatus, Error>;

    /// What the words behind the subcommand's name say, if they are so plain that it does not take clap to know.
    fn plain(_: &[OsString]) -> Option<Self> {
        None
    }
}

/// A subcommand without its type.
struct Entry {
    name: &'static str,
    about: &'static str,
    describe: fn(Command) -> Command,
    run: fn(&ArgMatches) -> Result<ExitStatus, Error>,
    /// Runs it if its words are plain.
    run_plain: fn(&[OsString]) -> Option<Result<ExitStatus, Error>>,
}

impl Entry {
    const fn of<S: Subcommand>() -> Self {
        Self {
            name: S::NAME,
            about: S::ABOUT,
            describe: S::augment_args,
            run: |matches| match S::from_arg_matches(matches) {
                Ok(arguments) => arguments.run(),
                Err(refusal) => Ok(print_refusal(refusal)),
            },
            run_plain: |words| Some(S::plain(words)?.run()),
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
    #[cfg(process_host)]
    Entry::of::<image::Arguments>(),
    #[cfg(process_host)]
    Entry::of::<run::Arguments>(),
    #[cfg(process_host)]
    Entry::of::<test::Arguments>(),
    #[cfg(process_host)]
    Entry::of::<report::Arguments>(),
    Entry::of::<new::Arguments>(),
    Entry::of::<completions::Arguments>(),
    Entry::of::<man::Arguments>(),
];

/// Longest line of help on a terminal that has room for it.
const WIDTH: usize = 120;

impl Entry {
    fn command(&self) -> Command {
        Command::new(self.name).about(self.about).max_term_width(WIDTH)
    }
}

/// The whole command line. The subcommands' arguments are described only where that is asked for.
fn command_line() -> Command {
    let subcommand = |entry: &Entry| entry.command().defer(entry.describe);
    Command::new("pvhost")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Host side of the RTEMS paravirtualization layer")
        .long_about(
            "Host side of the RTEMS paravirtualization layer.\n\n\
             A guest calls its host through a jump table of external functions. pvhost shows what a guest asks for, \
             generates the header to implement it, and checks that a host fits before anything runs.",
        )
        .after_help(EXAMPLES)
        .max_term_width(WIDTH)
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommands(SUBCOMMANDS.iter().map(subcommand))
}

/// Runs the subcommand that is asked for. Where it is the first word, no other one is described, and itself only if it
/// has options: clap takes a tenth of the time from the start of `pvhost run hello` to its exit.
fn run(arguments: &[OsString]) -> Result<ExitStatus, Error> {
    let find = |name: &str| SUBCOMMANDS.iter().find(|entry| entry.name == name);
    if let Some(entry) = arguments.get(1).and_then(|word| find(word.to_str()?)) {
        if let Some(result) = (entry.run_plain)(&arguments[2..]) {
            return result;
        }
        let command = (entry.describe)(entry.command()).bin_name(format!("pvhost {}", entry.name));
        return match command.try_get_matches_from(&arguments[1..]) {
            Ok(matches) => (entry.run)(&matches),
            Err(refusal) => Ok(print_refusal(refusal)),
        };
    }
    let asked = match command_line().try_get_matches_from(arguments) {
        Ok(mut matches) => matches.remove_subcommand(),
        Err(refusal) => return Ok(print_refusal(refusal)),
    };
    match asked.and_then(|(name, matches)| Some((find(&name)?, matches))) {
        Some((entry, matches)) => (entry.run)(&matches),
        // clap refuses a command line without a subcommand, and any other subcommand.
        None => Ok(USAGE),
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitStatus {
    let arguments: Vec<_> = env::args_os().collect();
    run(&arguments).unwrap_or_else(|error| {
        say::error(error);
        FAILURE
    })
}

/// Prints help, version, or what is wrong with the command line.
fn print_refusal(mut refusal: clap::Error) -> ExitStatus {
    // What was typed, or made by a script, stands in it.
    let said: Vec<_> = (refusal.context())
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, Escaped(text).to_string())),
            _ => None,
        })
        .collect();
    for (kind, text) in said {
        refusal.insert(kind, ContextValue::String(text));
    }
    let text = refusal.render().ansi().to_string();
    if refusal.use_stderr() {
        say::say(format_args!("pvhost: {text}"));
        return USAGE;
    }
    match output::print(&say::for_stdout(&text)) {
        Ok(()) => SUCCESS,
        Err(error) => {
            say::error(error);
            FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a terminal that is not made wider.
    const NARROW: usize = 80;

    #[test]
    fn examples_fit_into_a_narrow_terminal_and_paragraphs_into_any() {
        let subcommands = SUBCOMMANDS.iter().map(|entry| (entry.describe)(entry.command()));
        for command in subcommands.chain([command_line()]) {
            let name = command.get_name();
            let text = command.get_after_help().expect("examples").to_string();
            let is_paragraph = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let mut before = "";
            for line in text.lines() {
                assert!(
                    is_paragraph(line) || line.len() <= NARROW,
                    "{name}: it would be broken: {line}"
                );
                assert!(
                    !is_paragraph(before) || !is_paragraph(line),
                    "{name}: broken behind: {before}"
                );
                before = line;
            }
        }
    }
}
