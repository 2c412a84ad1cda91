// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding and running a guest.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Builder, Console, Exit, Finished, Stats, Vm};
pub use test_support::Arch;

/// The guest of that name.
///
/// # Panics
/// If it was not built, or is no sound image.
#[must_use]
#[track_caller]
pub fn open(arch: Arch, name: &str) -> Image {
    Image::open(&test_support::guest(arch, name)).unwrap_or_else(|error| panic!("{error}"))
}

/// What a guest left behind.
#[derive(Debug)]
pub struct Outcome {
    /// What it printed.
    pub printed: String,
    /// What was counted.
    pub stats: Stats,
}

impl Outcome {
    /// The first number behind `label` in what the guest printed.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn number(&self, label: &str) -> u64 {
        number(&self.printed, label)
    }
}

/// The first number behind `label` in what a guest printed.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn number(printed: &str, label: &str) -> u64 {
    let (_, rest) = printed
        .split_once(label)
        .unwrap_or_else(|| panic!("no {label:?} in {printed:?}"));
    rest.trim_start()
        .split(|letter: char| !letter.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no number behind {label:?} in {printed:?}"))
}

/// Runs a guest as the ordinary Linux program that the backend `linux_syscall` makes of it, to its end, which must be
/// exit status 0. What it printed.
///
/// # Panics
/// With what it printed, if it ends in another way, or not within `limit`.
#[must_use]
pub fn run_native(path: &Path, arguments: &[String], limit: Duration) -> String {
    let output = Command::new("timeout")
        .args(["--signal=KILL", &limit.as_secs().to_string()])
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("coreutils has timeout");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}: {}\n{printed}{}",
        path.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Runs a guest to its end, which must be exit status 0. `limit`: time after which it counts as hanging.
///
/// # Panics
/// With what it printed, if it ends in another way.
pub fn run(image: Image, limit: Duration, setup: impl FnOnce(Builder) -> Builder) -> Outcome {
    // One guest at a time fits into a process.
    static PLACE: Mutex<()> = Mutex::new(());
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);

    let (mut reader, writer) = io::pipe().expect("a pipe");
    let input = File::open("/dev/null").expect("it exists");
    let builder = Vm::builder(image).console(Console::new(input, writer)).timeout(limit);
    let Finished { exit, stats, .. } = setup(builder)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    let mut printed = String::new();
    reader.read_to_string(&mut printed).expect("the guest prints text");
    match exit {
        Exit::Exit(0) => {}
        Exit::Fault(fault) | Exit::Unbound(fault) => panic!("{fault}\n{printed}"),
        other => panic!("{other:?}\n{printed}{stats}"),
    }
    Outcome { printed, stats }
}
