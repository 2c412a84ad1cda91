// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that holds tests: each test is a run of its own, and they are told as Rust's own tests are.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use pvhost::testing;

use super::{Arguments, Error, ExitStatus, FAILURE, SUCCESS};
use crate::cli::signal;

/// What a test may print, in bytes.
const MOST: u64 = 16 << 20;

/// Runs the tests that the guest's arguments select, as they would of a test program of cargo.
pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus, Error> {
    let selection = &arguments.arguments[usize::from(arguments.guest.is_none())..];
    let program = OsString::from("pvhost run");
    let selected = libtest_mimic::Arguments::from_iter([&program].into_iter().chain(selection));
    if !arguments.guest().is_file() {
        return Err("a guest that holds tests is started for each of them: name its file".into());
    }
    let words = guest_run(arguments, selection.len());
    signal::wait_for_children();
    let tests = testing::held_tests(&printed(&words, None)?);
    signal::let_sigpipe_end_it();
    let trials = tests.into_iter().map(|test| {
        let (words, name) = (words.clone(), test.name.clone());
        Trial::test(test.name, move || Ok(printed(&words, Some(&name)).map(drop)?)).with_ignored_flag(test.is_ignored)
    });
    let conclusion = libtest_mimic::run(&selected, trials.collect());
    Ok(if conclusion.has_failed() { FAILURE } else { SUCCESS })
}

/// The words of this program's command line, without the last `arguments`, which are the guest's: as they are for a run
/// of one test, whose name comes next.
fn guest_run(arguments: &Arguments, count: usize) -> Vec<OsString> {
    let mut words: Vec<_> = env::args_os().skip(2).collect();
    words.truncate(words.len() - count);
    if arguments.guest.is_some() {
        words.pop_if(|word| word == "--");
        words.push("--".into());
    }
    words
}

/// What a run of the guest prints; of a test, the host's messages as well.
fn printed(words: &[OsString], test: Option<&str>) -> Result<String, String> {
    let run = || {
        let (reader, writer) = io::pipe()?;
        let messages = if test.is_some() {
            writer.try_clone()?.into()
        } else {
            Stdio::inherit()
        };
        let mut command = Command::new(env::current_exe()?);
        command.args(["run", "--one-test"]).args(words).args(test);
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(messages).spawn()?;
        // It holds our ends of the pipe.
        drop(command);
        let mut text = Vec::new();
        let is_read = reader.take(MOST + 1).read_to_end(&mut text);
        if text.len() as u64 > MOST || is_read.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        is_read.map(|_| (String::from_utf8_lossy(&text).into_owned(), status))
    };
    let (text, status) = run().map_err(|error| format!("cannot run pvhost: {error}"))?;
    if text.len() as u64 > MOST {
        return Err(format!("it prints more than {} MiB", MOST >> 20));
    }
    if status.success() {
        return Ok(text);
    }
    Err(format!("{text}the guest ended with {status}"))
}
