// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that tests start.

use std::process::{Command, Stdio};

/// Ends a test, saying what it needs, unless all programs are installed.
#[macro_export]
macro_rules! require {
    ($($program:expr),+ $(,)?) => {
        $(test_support::program($program);)+
    };
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// What it wrote to standard error and output, if it fails.
///
/// # Panics
/// If it cannot be started.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!(
            "{command:?}: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// The result of a step that must succeed.
///
/// # Panics
/// With the messages of the program that failed.
#[track_caller]
pub fn succeed<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|messages| panic!("{messages}"))
}

/// The messages of a step that must fail.
///
/// # Panics
/// If it succeeds.
#[track_caller]
pub fn fail<T>(result: Result<T, String>) -> String {
    result.err().expect("must fail")
}
