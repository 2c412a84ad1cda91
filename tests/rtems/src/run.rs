// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running a guest in this process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use paravirt_section_tests::scratch;
use pvhost::image::Image;
use pvhost::process::{Builder, Console, Exit, Finished, Vm};

/// Runs a program whose console has `input` from the start, for `limit` at most; how it ended, and what it printed,
/// without carriage returns.
///
/// # Panics
/// If it cannot be run.
#[must_use]
pub fn program(path: &Path, input: &str, limit: Duration) -> (Exit, String) {
    let folder = scratch();
    let typed = folder.path().join("input");
    fs::write(&typed, input).expect("a file in the scratch folder");
    let typed = File::open(&typed).expect("just written");
    let (finished, printed) = guest(path, typed, "", limit);
    (finished.exit, printed)
}

/// As [`program`], but the input comes after a time in which the program has long been waiting for it.
///
/// # Panics
/// As [`program`].
#[must_use]
pub fn typed_late(path: &Path, input: &'static str, limit: Duration) -> (Exit, String) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let typist = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        writer.write_all(input.as_bytes())
    });
    let (finished, printed) = guest(path, reader, "", limit);
    // The program may have ended without reading.
    let _ = typist.join().expect("the typist does not panic");
    (finished.exit, printed)
}

/// Runs a program with a console input, a command line and a time limit; all that is known of its run, and what it
/// printed, without carriage returns.
///
/// # Panics
/// If it cannot be run.
#[must_use]
pub fn guest(path: &Path, input: impl Into<OwnedFd>, command_line: &str, limit: Duration) -> (Finished, String) {
    guest_of(|builder| builder.command_line(command_line), path, input, limit)
}

/// As [`guest`], but on a host that `change` makes from the usual one.
///
/// # Panics
/// As [`program`].
#[must_use]
pub fn guest_of(
    change: impl FnOnce(Builder) -> Builder,
    path: &Path,
    input: impl Into<OwnedFd>,
    limit: Duration,
) -> (Finished, String) {
    // One guest at a time fits into a process.
    static PLACE: Mutex<()> = Mutex::new(());
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);

    let (mut reader, writer) = io::pipe().expect("a pipe");
    // The guest may print more than the pipe holds.
    let printed = thread::spawn(move || {
        let mut printed = Vec::new();
        reader.read_to_end(&mut printed).map(|_| printed)
    });
    let builder = Vm::builder(Image::open(path).expect("a sound image"));
    let finished = change(builder)
        .console(Console::new(input, writer))
        .timeout(limit)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    let printed = printed
        .join()
        .expect("the reader does not panic")
        .expect("what the guest printed");
    (finished, String::from_utf8_lossy(&printed).replace('\r', ""))
}
