// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each fuzz target for a minute, all at the same time, always from the same beginning.

use std::fs;
use std::process::ExitCode;
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};

use paravirt_build::command;
use paravirt_build::fuzz;
use test_support::{Arch, guest, program, workspace};

const SECONDS: u64 = 60;

/// Building the programs, once; what went wrong.
static BUILT: LazyLock<Result<(), String>> =
    LazyLock::new(|| fuzz::build(&workspace()).map_err(|error| format!("{error:#}")));

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The minute is the clock's, and each of them is happy with less than a processor.
    arguments.test_threads.get_or_insert(fuzz::TARGETS.len());
    let trials = fuzz::TARGETS
        .map(|target| Trial::test(target, move || minute(target)))
        .into();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs it from guests alone, so that what another run has found does not count.
fn minute(target: &str) -> Result<(), Failed> {
    program("g++");
    for arch in Arch::ALL {
        for name in fuzz::SEEDS {
            // Says what to do if it is not there.
            drop(guest(arch, name));
        }
    }
    BUILT.clone()?;
    let corpus = tempfile::tempdir()?;
    let mut program =
        fuzz::command(&workspace(), target, SECONDS, corpus.path()).map_err(|error| format!("{error:#}"))?;
    // It prints to standard error, all that it has when it fails.
    command::output(&mut program).map_err(|error| format!("{error:#}"))?;
    if fs::read_dir(corpus.path())?.next().is_none() {
        return Err("it has found nothing new: was it built with coverage?".into());
    }
    Ok(())
}
