// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters of coverage, from guests that have them as gcc makes them, and from guests that mean harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use super::guests::{Arch, SOON, each, guest, pvhost};

/// A folder, and what is written there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    /// The folder that is named to pvhost. It is one in ours, so that it can be left.
    fn folder(&self) -> PathBuf {
        self.0.path().join("coverage")
    }

    /// Runs the guest with these arguments.
    fn run(&self, guest: &Path, arguments: &[&str]) -> Output {
        let folder = self.folder();
        let options = ["--coverage", folder.to_str().expect("a name in UTF-8")];
        pvhost(guest, &options, arguments).output().expect("pvhost starts")
    }

    /// All files in the folder, and the one around it, by their names there.
    fn files(&self) -> Vec<String> {
        fn find(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).expect("a folder of ours") {
                let path = entry.expect("a folder of ours").path();
                if path.is_dir() && !path.is_symlink() {
                    find(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        find(self.0.path(), &mut found);
        let name = |path: &PathBuf| {
            path.strip_prefix(self.0.path())
                .expect("it is there")
                .display()
                .to_string()
        };
        let mut names: Vec<_> = found.iter().map(name).collect();
        names.sort();
        names
    }

    /// Words of a file in the folder.
    fn words(&self, name: &str) -> Vec<u32> {
        let bytes = fs::read(self.folder().join(name)).expect("a file with coverage");
        let (words, rest) = bytes.as_chunks::<4>();
        assert!(rest.is_empty());
        words.iter().map(|&word| u32::from_le_bytes(word)).collect()
    }
}

/// What a guest's file holds after so many runs: a `.gcda` file of gcc 12 (gcc/gcov-io.h).
fn expected(runs: u32) -> Vec<u32> {
    let head = [u32::from_be_bytes(*b"gcda"), u32::from_be_bytes(*b"B22*"), 4, 5];
    let summary = [0xa100_0000, 8, runs, 3 * runs];
    let function = [0x0100_0000, 12, 1, 2, 3];
    let counters = [0x01a1_0000, 16, 3 * runs, 0, 0, 0];
    let none = [0x0100_0000, 0];
    [&head[..], &summary, &function, &counters, &none, &[0]].concat()
}

fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The guest's status is kept, and the message is there; nothing was written.
#[track_caller]
fn refused(output: &Output, message: &str) {
    let messages = messages(output);
    assert_eq!(output.status.code(), Some(7), "{messages}");
    assert!(messages.contains(message), "{message:?} is not in {messages}");
}

#[test]
fn counters_are_written_and_added() {
    for (arch, guest) in each("coverage") {
        let place = Place::new();
        for runs in 1..=2 {
            let output = place.run(&guest, &["/some/where/a.gcda"]);
            assert_eq!(output.status.code(), Some(7), "{arch}: {output:?}");
            assert!(messages(&output).contains("coverage of 1 object file"), "{output:?}");
            assert_eq!(place.files(), ["coverage/some/where/a.gcda"]);
            assert_eq!(place.words("some/where/a.gcda"), expected(runs), "{arch}");
        }
        // Another build begins anew.
        let output = place.run(&guest, &["/some/where/a.gcda", "other-build"]);
        assert_eq!(output.status.code(), Some(7), "{arch}: {output:?}");
        let mut other = expected(1);
        other[2] = 6;
        assert_eq!(place.words("some/where/a.gcda"), other, "{arch}");
    }
}

#[test]
fn a_file_goes_where_it_was_compiled_if_that_is_in_the_folder() {
    let place = Place::new();
    let folder = place
        .0
        .path()
        .canonicalize()
        .expect("a folder of ours")
        .join("coverage");
    let name = folder.join("build/../object/a.gcda").display().to_string();
    let output = place.run(&guest(Arch::I386, "coverage"), &[&name]);
    assert_eq!(place.files(), ["coverage/object/a.gcda"], "{output:?}");
}

#[test]
fn however_a_guest_ends_its_counters_are_written() {
    let guest = guest(Arch::X86_64, "coverage");
    for (way, options, status) in [
        ("faults", &[][..], 5),
        ("hangs", &["--timeout", "500ms"], 124),
        ("hangs", &["--time", "fast", "--timeout", "500ms"], 124),
    ] {
        let place = Place::new();
        let folder = place.folder();
        let options = [&["--coverage", folder.to_str().expect("a name in UTF-8")], options].concat();
        let mut command = pvhost(&guest, &options, &["a.gcda", way]);
        let output = command.output().expect("pvhost starts");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert_eq!(place.words("a.gcda"), expected(1), "{way}");
    }
}

#[test]
fn many_at_once_add_to_the_same_file() {
    const MANY: u32 = 8;
    let place = Place::new();
    let guest = guest(Arch::X86_64, "coverage");
    thread::scope(|scope| {
        for _ in 0..MANY {
            scope.spawn(|| assert_eq!(place.run(&guest, &["a.gcda"]).status.code(), Some(7)));
        }
    });
    assert_eq!(place.words("a.gcda"), expected(MANY));
    assert_eq!(place.files(), ["coverage/a.gcda"]);
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let guest = guest(Arch::X86_64, "coverage");
    let place = Place::new();
    for (name, why) in [
        ("../a.gcda", "it leaves the folder"),
        ("/../a.gcda", "it leaves the folder"),
        ("a/../../a.gcda", "it leaves the folder"),
        ("a.gcno", "it does not end in `.gcda`"),
        ("\u{1b}[2J", "\\u{1b}[2J: it does not end in `.gcda`"),
    ] {
        refused(&place.run(&guest, &[name]), why);
        assert_eq!(place.files(), [""; 0], "{name}");
    }
}

#[test]
fn links_are_not_followed_and_files_of_others_stay() {
    let guest = guest(Arch::X86_64, "coverage");
    let place = Place::new();
    let (folder, outside) = (place.folder(), place.0.path().join("outside"));
    for made in [&folder, &outside] {
        fs::create_dir(made).expect("a folder of ours");
    }
    fs::write(outside.join("a.gcda"), "mine").expect("a file of ours");
    fs::write(folder.join("text.gcda"), "mine").expect("a file of ours");
    symlink("../outside", folder.join("link")).expect("a link of ours");
    symlink("../outside/a.gcda", folder.join("link.gcda")).expect("a link of ours");
    symlink("../outside/new.gcda", folder.join("nowhere.gcda")).expect("a link of ours");
    fs::create_dir(folder.join("folder.gcda")).expect("a folder of ours");
    let before = place.files();
    refused(&place.run(&guest, &["link/a.gcda"]), "a part of its name is a link");
    refused(
        &place.run(&guest, &["text.gcda/a.gcda"]),
        "a part of its name is a link or no folder",
    );
    refused(&place.run(&guest, &["link.gcda"]), "link.gcda is there, and is a link");
    refused(&place.run(&guest, &["nowhere.gcda"]), "is a link");
    refused(&place.run(&guest, &["folder.gcda"]), "is no file");
    refused(
        &place.run(&guest, &["text.gcda"]),
        "is no `.gcda` file of gcc 12 or later; it stays as it is",
    );
    assert_eq!(place.files(), before);
    assert_eq!(fs::read_to_string(outside.join("a.gcda")).expect("our file"), "mine");
    assert_eq!(fs::read_to_string(folder.join("text.gcda")).expect("our file"), "mine");
}

#[test]
fn counters_that_are_none_are_refused_soon() {
    for (arch, guest) in each("coverage") {
        let place = Place::new();
        for (way, message) in [
            ("version", "counters are of gcc 9"),
            ("no-version", "damaged"),
            ("kind", "without `-fprofile-generate`"),
            ("nowhere", "damaged"),
            ("many", "damaged"),
            ("large", "64 MiB of counters"),
            ("wraps", "damaged"),
        ] {
            let start = Instant::now();
            refused(&place.run(&guest, &["a.gcda", way]), message);
            assert!(start.elapsed() < SOON, "{arch} {way}");
            assert_eq!(place.files(), [""; 0], "{arch} {way}");
        }
        // No name.
        refused(&place.run(&guest, &[]), "damaged");
    }
    let output = Place::new().run(&guest(Arch::X86_64, "hello"), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(messages(&output).contains("no counters in the guest"), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_before_the_start() {
    let place = Place::new();
    fs::write(place.folder(), "mine").expect("a file of ours");
    let output = place.run(&guest(Arch::X86_64, "coverage"), &["a.gcda"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(messages(&output).contains("cannot use the folder"), "{output:?}");
    assert_eq!(fs::read_to_string(place.folder()).expect("our file"), "mine");
}

/// By the limit of a file's size, as on a full disk.
#[test]
fn what_cannot_be_written_is_told_and_the_status_is_kept() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; trap '' XFSZ; exec \"$@\"", "sh"]);
    command.args([env!("CARGO_BIN_EXE_pvhost"), "run", "--timeout", "60", "--coverage"]);
    command.arg(place.folder()).arg(guest(Arch::X86_64, "coverage"));
    let output = command.args(["--", "a.gcda"]).output().expect("sh starts");
    refused(&output, "a.gcda: File too large");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn other_hosts_refuse_it() {
    let output = pvhost(
        &guest(Arch::I386, "coverage"),
        &["--host", "qemu", "--coverage", "x"],
        &[],
    )
    .output();
    let output = output.expect("pvhost starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        messages(&output).contains("`--coverage` is for `--host process` only"),
        "{output:?}"
    );
}
