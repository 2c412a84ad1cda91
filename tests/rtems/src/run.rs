// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running a guest in this process.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use paravirt_section_tests::scratch;
use pvhost::image::Image;
use pvhost::process::{Console, Exit, Vm};

/// Runs a program whose console has `input` from the start, for `limit` at most; how it ended, and what it printed, without
/// carriage returns.
///
/// # Panics
/// If it cannot be run.
#[must_use]
pub fn program(path: &Path, input: &str, limit: Duration) -> (Exit, String) {
    // One guest at a time fits into a process.
    static PLACE: Mutex<()> = Mutex::new(());
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);

    let folder = scratch();
    let typed = folder.path().join("input");
    fs::write(&typed, input).expect("a file in the scratch folder");
    let typed = File::open(&typed).expect("just written");
    let (mut reader, writer) = io::pipe().expect("a pipe");
    // The guest may print more than the pipe holds.
    let printed = thread::spawn(move || {
        let mut printed = Vec::new();
        reader.read_to_end(&mut printed).map(|_| printed)
    });
    let finished = Vm::builder(Image::open(path).expect("a sound image"))
        .console(Console::new(typed, writer))
        .timeout(limit)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    let printed = printed
        .join()
        .expect("the reader does not panic")
        .expect("what the guest printed");
    (
        finished.exit,
        String::from_utf8_lossy(&printed).replace('\r', ""),
    )
}
