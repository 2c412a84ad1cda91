// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest leaves that may not make files by then: core, trace, profile and coverage are written by processes of
//! their own, which are all alike.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pvhost::debug::core::CoreFile;
use pvhost::image::Image;
use tempfile::TempDir;

use super::guests::{Arch, Running, again, guest, pvhost, text, wait_for, with_small_disk};

/// The files that are asked for, and what is said if one cannot be written.
const FILES: [(&str, &str); 3] = [
    ("core", "warning: cannot write the core "),
    ("trace", "warning: no trace: cannot write "),
    ("profile", "warning: no profile: cannot write "),
];
/// And the folder.
const COVERAGE: (&str, &str) = ("coverage", "error: no coverage: ");

/// A folder for all of them.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder for temporary files"));
        fs::create_dir(place.at(COVERAGE.0)).expect("our folder");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A guest that waits, until its time is over in some way, and leaves these files, and coverage.
    fn command(&self, files: &[(&str, &str)], options: &[&str]) -> Command {
        let all: Vec<_> = (files.iter().chain([&COVERAGE]))
            .map(|(name, _)| format!("--{name}={}", self.at(name).display()))
            .collect();
        let options: Vec<_> = all.iter().map(String::as_str).chain(options.iter().copied()).collect();
        pvhost(&guest(Arch::X86_64, "coverage"), &options, &["a.gcda", "hangs"])
    }

    /// Starts it; its guest has begun, and who writes is there.
    fn start(&self, options: &[&str]) -> (Running, Vec<u32>) {
        let running = Running::start_until(self.command(&FILES, options).stderr(Stdio::piped()), "hanging\n");
        let writers = self.writers();
        assert_eq!(writers.len(), FILES.len() + 1, "{writers:?}");
        (running, writers)
    }

    /// The processes that have one of the folders open.
    fn writers(&self) -> Vec<u32> {
        let ours = [self.0.path().to_owned(), self.at(COVERAGE.0)];
        let number = |process: fs::DirEntry| process.file_name().to_str()?.parse::<u32>().ok();
        let processes = fs::read_dir("/proc").expect("Linux").flatten().filter_map(number);
        let has_it = |process: &u32| {
            let open = fs::read_dir(format!("/proc/{process}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            open.filter_map(|file| fs::read_link(file.path()).ok())
                .any(|file| ours.contains(&file))
        };
        processes.filter(has_it).collect()
    }

    /// What there is, in the folder of coverage, too.
    fn files(&self) -> Vec<String> {
        let names = |folder: &Path| {
            let files = fs::read_dir(folder).expect("our folder").flatten();
            files.map(|file| file.file_name().into_string().expect("a name in UTF-8"))
        };
        let mut files: Vec<_> = names(self.0.path()).chain(names(&self.at(COVERAGE.0))).collect();
        files.sort();
        files
    }
}

/// The guest's status is kept, and each file is told of, with that reason.
#[track_caller]
fn all_are_told(output: &Output, files: &[(&str, &str)], why: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{said}");
    for (name, message) in files.iter().chain([&COVERAGE]) {
        let line = said.lines().find(|line| line.contains(message));
        assert!(line.is_some_and(|line| line.ends_with(why)), "{name}: {said}");
    }
}

/// They are no children of pvhost's, which would have to wait for them, and none is left behind it.
#[test]
fn all_are_written_and_no_process_is_left() {
    let place = Place::new();
    let (running, writers) = place.start(&["--timeout", "1s"]);
    let program = running.0.id();
    for writer in writers {
        let stat = fs::read_to_string(format!("/proc/{writer}/stat")).expect("it waits");
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        assert_ne!(parent, Some(program.to_string().as_str()), "{stat}");
    }
    let children = fs::read_to_string(format!("/proc/{program}/task/{program}/children"));
    assert_eq!(children.unwrap_or_default(), "", "not even one that has ended");
    let output = running.output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{said}");
    assert!(said.contains("coverage of 1 object file"), "{said}");
    assert_eq!(
        place.files(),
        ["a.gcda", "core", "coverage", "profile", "trace"],
        "{said}"
    );
    wait_for("all to end", || place.writers().is_empty());
}

#[test]
fn a_process_that_was_killed_is_told_and_nothing_hangs() {
    let place = Place::new();
    let (running, writers) = place.start(&["--timeout", "1s"]);
    for writer in writers {
        // SAFETY: no pointers; a process of ours, which nobody waits for but the system.
        unsafe { libc::kill(writer as i32, libc::SIGKILL) };
    }
    all_are_told(&running.output(), &FILES, "the process that writes it has ended");
    assert_eq!(place.files(), ["coverage"], "nothing is left");
}

#[test]
fn nothing_is_left_of_a_program_that_was_killed() {
    let place = Place::new();
    let (mut running, _) = place.start(&[]);
    assert_eq!(place.files(), ["coverage"], "nothing before it is due");
    running.signal(libc::SIGKILL);
    assert_eq!(running.ends().signal(), Some(libc::SIGKILL));
    wait_for("all to end", || place.writers().is_empty());
    assert_eq!(place.files(), ["coverage"]);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left() {
    let place = Place::new();
    // The profile of a guest that waits is empty, and takes no room.
    let files = &FILES[..2];
    let run = place.command(files, &["--timeout", "500ms"]);
    let mut command = Command::new("sh");
    let script = "mkdir \"$0/coverage\"; head -c 64k /dev/zero > \"$0/full\"; exec \"$@\"";
    command.args(["-c", script]).arg(place.0.path());
    command.arg(run.get_program()).args(run.get_args());
    let output = with_small_disk(place.0.path(), &command, "find . | sort");
    all_are_told(&output, files, "No space left on device (os error 28)");
    assert_eq!(text(&output.stdout), "hanging\n.\n./coverage\n./full\n");
}

/// Whoever may write to the folder cannot have it lead elsewhere while the guest runs.
#[test]
fn a_link_in_a_files_place_is_replaced_and_not_followed() {
    let place = Place::new();
    let (mut running, _) = place.start(&[]);
    let other = place.at("other");
    fs::write(&other, "mine").expect("our folder");
    for (name, _) in FILES {
        symlink("other", place.at(name)).expect("our folder");
    }
    symlink("../other", place.at("coverage/a.gcda")).expect("our folder");
    let start = Instant::now();
    running.signal(libc::SIGTERM);
    assert_eq!(running.ends().signal(), Some(libc::SIGTERM));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let said = text(&running.output().stderr);
    assert!(said.contains("a.gcda is there, and is a link"), "{said}");
    for (name, _) in FILES {
        let metadata = place.at(name).symlink_metadata().expect("it is there");
        assert!(metadata.is_file(), "{name}: {metadata:?}");
    }
    assert!(place.at("coverage/a.gcda").is_symlink());
    assert_eq!(fs::read_to_string(&other).expect("our file"), "mine");
}

/// Set in a process that runs one test.
const ALONE: &str = "PVHOST_TEST_ALONE";

/// A program around the library has children of its own, and may have a handler for their ends.
#[test]
fn a_programs_sigchld_is_not_touched() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: i32) {
        COUNT.fetch_add(1, Ordering::SeqCst);
    }
    if env::var_os(ALONE).is_none() {
        let mut again = again("late::a_programs_sigchld_is_not_touched");
        let output = Running::start(again.env(ALONE, "1").stderr(Stdio::piped())).output();
        assert!(output.status.success(), "{}", text(&output.stderr));
        return;
    }
    let place = Place::new();
    let image = Image::open(&guest(Arch::X86_64, "hello")).expect("a guest");
    // SAFETY: a handler that only counts.
    unsafe { libc::signal(libc::SIGCHLD, count as *const () as usize) };
    let file = CoreFile::create(place.at("core"), &image).expect("a place for it");
    assert_eq!(place.writers().len(), 1);
    // SAFETY: it may store nothing.
    let ended = unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) };
    assert_eq!(
        (ended, io::Error::last_os_error().raw_os_error()),
        (-1, Some(libc::ECHILD))
    );
    drop(file);
    wait_for("it to end", || place.writers().is_empty());
    assert_eq!(COUNT.load(Ordering::SeqCst), 0);
    Command::new("true").status().expect("a child of the program's own");
    assert_eq!(COUNT.load(Ordering::SeqCst), 1, "of that it hears");
}
