// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cores of guests: when there is one, what debuggers find in it, and where it is not written.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pvhost::debug::core::CoreFile;
use pvhost::image::Image;
use pvhost::process::Exit;
use tempfile::TempDir;

use super::guests::{Arch, Running, each, guest, output, place, pvhost, text, vm};

/// A folder for a core, and the core in it.
pub struct Place {
    folder: TempDir,
    core: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let core = folder.path().join("core");
        Self { folder, core }
    }

    /// With the core elsewhere.
    pub fn at(core: &Path) -> Self {
        let core = core.to_owned();
        Self { core, ..Self::new() }
    }

    /// The command with a core here.
    pub fn command(&self, guest: &Path, options: &[&str], arguments: &[&str]) -> Command {
        let core = ["--core", self.core.to_str().expect("a name in UTF-8")];
        pvhost(guest, &[&core, options].concat(), arguments)
    }

    fn run(&self, guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
        let mut command = self.command(guest, options, arguments);
        command.output().expect("pvhost starts")
    }

    /// What is in the folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.folder).expect("our folder");
        files.map(|file| file.expect("our folder").path()).collect()
    }

    /// What GDB says to these commands.
    #[track_caller]
    pub fn gdb(&self, guest: &Path, commands: &[&str]) -> String {
        gdb(guest, &self.core, commands)
    }
}

/// What GDB says to these commands about a guest and its core.
#[track_caller]
fn gdb(guest: &Path, core: &Path, commands: &[&str]) -> String {
    let said = test_support::gdb(commands, &[guest, core]);
    // As of a section of it, or that it is of another program.
    assert!(!said.contains("core file"), "{said}");
    said
}

/// Sees that all of these are in a text.
#[track_caller]
pub fn has_all(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

/// The functions of gdb's backtrace, without their paths.
fn frames(said: &str) -> Vec<String> {
    // #1  0x00102c18 in fault::main::h1234 (argument=1) at file:1
    let frames = said.lines().filter(|line| line.starts_with('#')).map(|line| {
        let frame = line.split_once(' ').map_or("", |(_, frame)| frame.trim_start());
        let frame = frame.split_once(" in ").map_or(frame, |(_, function)| function);
        let name = frame.split(" (").next().unwrap_or_default();
        let mut parts = name.split('<').next().unwrap_or_default().rsplit("::");
        let is_hash = |part: &&str| part.len() == 17 && part.starts_with('h');
        parts.find(|part| !is_hash(part)).unwrap_or_default().to_owned()
    });
    // What the compiler has taken into a function is no caller.
    frames.filter(|name| name != "read_volatile").collect()
}

/// Sees that these functions have called each other, the last one first, with any others between; `first` is where the
/// guest was.
#[track_caller]
pub fn has_callers(said: &str, first: &str, callers: &[&str]) {
    assert_eq!(frames(said).first().map(String::as_str), Some(first), "{said}");
    has_frames(said, callers);
}

/// Requires that gdb's backtrace has these functions, in that order.
#[track_caller]
pub fn has_frames(said: &str, functions: &[&str]) {
    let frames = frames(said);
    let mut rest = frames.iter();
    for function in functions {
        assert!(
            rest.any(|frame| frame == function),
            "no {function} in its place in {said}"
        );
    }
}

#[test]
fn gdb_finds_the_fault_its_callers_and_the_memory() {
    for (arch, guest) in each("fault") {
        let place = Place::new();
        let output = place.run(&guest, &[], &["null"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arch}: {stderr}");
        has_all(&stderr, &["guest fault: bad read from address 0x10", "core", "gdb "]);
        assert_eq!(place.files(), std::slice::from_ref(&place.core), "{arch}");
        let metadata = place.core.metadata().expect("it is there");
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{arch}");
        // Most of it is memory that the guest has not used.
        assert!(metadata.blocks() * 512 < metadata.len() / 8, "{arch}: {metadata:?}");
        let said = place.gdb(
            &guest,
            &[
                "set language c",
                "info threads",
                "x/i $pc",
                "p $_siginfo._sifields._sigfault.si_addr",
                "x/4xb &__image_start",
                "p/x $mxcsr",
                "info auxv",
            ],
        );
        has_all(
            &said,
            &[
                "terminated with signal SIGSEGV",
                "Core was generated by `fault null'",
                "* 1    LWP 1 ",
                "mov    (%",
                "= (void *) 0x10",
                "0x7f\t0x45\t0x4c\t0x46",
                "= 0x1f80",
            ],
        );
        has_callers(&place.gdb(&guest, &["bt"]), "read_null", &["paravirt_main", "_start"]);
        let entry = format!("{:#x}\n", Image::open(&guest).expect("a guest").entry());
        has_all(&said, &[&entry]);
    }
}

/// A guest that was left in a call is seen at the beginning of the function that it has called.
#[test]
fn every_end_but_an_exit_leaves_a_core() {
    for (arch, guest) in each("fault") {
        for (end, status, first, callers) in [
            ("fatal", 3, "pv_shutdown", &["fatal", "paravirt_main"][..]),
            ("panic", 3, "pv_shutdown", &["rust_begin_unwind", "paravirt_main"]),
            ("reset", 4, "pv_shutdown", &["paravirt_main"]),
            ("jump", 5, "??", &["jump_nowhere", "paravirt_main"]),
            // In a handler of an interrupt at the end of a call of the host.
            ("raised", 5, "faults", &["raises", "paravirt_main"]),
        ] {
            let place = Place::new();
            let output = place.run(&guest, &["--quiet"], &[end]);
            assert_eq!(output.status.code(), Some(status), "{arch} {end}");
            let stderr = text(&output.stderr);
            assert!(!stderr.contains(" is in the core "), "{arch} {end}: {stderr}");
            has_callers(&place.gdb(&guest, &["bt"]), first, callers);
        }
        for (arguments, status) in [(&["exit", "0"][..], 0), (&["exit", "7"], 7)] {
            let place = Place::new();
            fs::write(&place.core, "what was there before").expect("our folder");
            let output = place.run(&guest, &[], arguments);
            assert_eq!(output.status.code(), Some(status), "{arch}");
            assert!(output.stderr.is_empty(), "{arch}: {}", text(&output.stderr));
            let content = fs::read_to_string(&place.core).expect("our file");
            assert_eq!(content, "what was there before", "{arch}");
        }
    }
}

#[test]
fn a_function_that_nobody_provides_is_seen_with_its_caller() {
    for (arch, guest) in each("own-function") {
        // Before the start there is only the image's own resolver, which reports it and shuts down.
        for (options, first) in [(&["--lazy"][..], "board_name"), (&[], "pv_shutdown")] {
            let place = Place::new();
            let output = place.run(&guest, options, &[]);
            assert_eq!(output.status.code(), Some(3), "{arch}");
            has_callers(&place.gdb(&guest, &["bt"]), first, &["paravirt_main"]);
        }
    }
}

#[test]
fn a_guest_that_hangs_is_seen_where_it_does() {
    for (arch, guest) in each("fault") {
        for (end, line) in [("hang", "hanging"), ("spin", "spinning")] {
            let place = Place::new();
            let output = place.run(&guest, &["--timeout", "500ms"], &[end]);
            assert_eq!(output.status.code(), Some(124), "{arch} {end}");
            let said = place.gdb(&guest, &["bt"]);
            match end {
                "hang" => has_callers(&said, "pv_cpu_idle", &["paravirt_main"]),
                _ => has_all(&said, &[" paravirt_main ("]),
            }

            let place = Place::new();
            let mut command = place.command(&guest, &["--quiet"], &[end]);
            let mut running = Running::start_until(&mut command, line);
            assert!(place.files().is_empty(), "{arch} {end}: nothing before it is due");
            running.signal(libc::SIGINT);
            assert_eq!(running.ends().signal(), Some(libc::SIGINT), "{arch} {end}");
            // It may still be about to print the line.
            let parts = ["terminated with signal SIGINT", " paravirt_main ("];
            has_all(&place.gdb(&guest, &["bt"]), &parts);
        }
    }
}

/// Such a guest is in a call most of the time, or on its way: there, too, its caller is seen.
#[test]
fn a_guest_that_calls_all_the_time_is_seen_in_its_function() {
    for (arch, guest) in each("rate") {
        for limit in ["100ms", "150ms", "200ms", "250ms", "300ms"] {
            let place = Place::new();
            // Time of its own is asked for by a call.
            let options = ["--time", "0.5", "--timeout", limit];
            let output = place.run(&guest, &options, &["1000", "100", "busy"]);
            assert_eq!(output.status.code(), Some(124), "{arch}");
            has_all(&place.gdb(&guest, &["bt"]), &[" paravirt_main ("]);
        }
    }
}

#[test]
fn a_reader_who_goes_is_worth_no_core() {
    for (arch, guest) in each("hello") {
        let place = Place::new();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = place.command(&guest, &[], &[]);
        let status = command.stdout(writer).status().expect("pvhost starts");
        assert_eq!(status.signal(), Some(libc::SIGPIPE), "{arch}");
        assert!(place.files().is_empty(), "{arch}");
    }
}

/// Nothing else is written to, and the guest does not run.
#[test]
fn what_is_no_place_for_a_core_is_refused_before_the_start() {
    let guest = guest(Arch::X86_64, "fault");
    let place = Place::new();
    let folder = place.folder.path();
    let (target, link) = (folder.join("target"), folder.join("link"));
    fs::write(&target, "mine").expect("our folder");
    symlink(&target, &link).expect("our folder");
    let copy = folder.join("guest");
    fs::copy(&guest, &copy).expect("our folder");
    for (file, why) in [
        (&*link, "is a link"),
        (folder, "is no file"),
        (Path::new("/dev/stdout"), "is a link"),
        (Path::new("/dev/ptmx"), "is no file"),
        (&folder.join("missing/core"), "No such file or directory"),
        (&copy, "is the guest"),
    ] {
        let core = format!("--core={}", file.display());
        let output = pvhost(&copy, &[&core], &[]).output().expect("pvhost starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {stderr}", file.display());
        has_all(&stderr, &["pvhost: error: ", why]);
        assert!(output.stdout.is_empty(), "{}: it ran", file.display());
    }
    assert_eq!(fs::read_to_string(&target).expect("our file"), "mine");
    assert_eq!(fs::read(&copy).expect("our file"), fs::read(&guest).expect("a guest"));
    assert_eq!(place.files().len(), 3, "nothing is left");
}

/// The status is the guest's, and there is no half of a core.
#[test]
fn a_full_disk_costs_the_core_and_nothing_else() {
    let guest = guest(Arch::X86_64, "fault");
    let output = pvhost(&guest, &["--core", "/dev/full"], &["null"]).output();
    let output = output.expect("pvhost starts");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    has_all(
        &stderr,
        &["warning: cannot write the core /dev/full: No space left on device"],
    );

    let place = Place::new();
    fs::write(&place.core, "what was there before").expect("our folder");
    let mut command = place.command(&guest, &[], &["null"]);
    // SAFETY: a system call that a forked child may make, with a live variable.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 64 * 1024,
                rlim_max: 64 * 1024,
            };
            match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        })
    };
    let output = command.output().expect("pvhost starts");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    has_all(&stderr, &["warning: cannot write the core ", "File too large"]);
    assert_eq!(place.files(), std::slice::from_ref(&place.core));
    let content = fs::read_to_string(&place.core).expect("our file");
    assert_eq!(content, "what was there before");
}

#[test]
fn a_core_replaces_a_file_and_not_what_has_another_name_for_it() {
    let guest = guest(Arch::X86_64, "fault");
    let place = Place::new();
    let other = place.folder.path().join("other");
    fs::write(&place.core, "what was there before").expect("our folder");
    fs::hard_link(&place.core, &other).expect("our folder");
    let output = place.run(&guest, &[], &["null"]);
    assert_eq!(output.status.code(), Some(5));
    has_callers(&place.gdb(&guest, &["bt"]), "read_null", &[]);
    assert_eq!(place.core.metadata().expect("it is there").mode() & 0o7777, 0o600);
    let content = fs::read_to_string(&other).expect("our file");
    assert_eq!(content, "what was there before");
}

#[test]
fn a_folder_collects_cores() {
    let guest = guest(Arch::X86_64, "fault");
    let place = Place::new();
    let folder = place.folder.path();
    let core_dir = format!("--core-dir={}", folder.display());
    let by_option = pvhost(&guest, &[&core_dir], &["null"]).output().expect("pvhost starts");
    assert_eq!(by_option.status.code(), Some(5));
    let mut command = pvhost(&guest, &["--json"], &["null"]);
    let by_variable = command.env("PVHOST_CORE_DIR", folder).output().expect("pvhost starts");
    assert_eq!(by_variable.status.code(), Some(5));
    let mut command = pvhost(&guest, &[], &["exit", "0"]);
    command.env("PVHOST_CORE_DIR", folder).status().expect("pvhost starts");
    let files = place.files();
    assert_eq!(files.len(), 2, "{files:?}");
    let json = text(&by_variable.stderr);
    for file in &files {
        let name = file.file_name().and_then(OsStr::to_str).expect("a name in UTF-8");
        let parts: Vec<_> = name.split('.').collect();
        assert!(matches!(parts[..], ["fault", _, _, "core"]), "{name}");
        has_callers(&gdb(&guest, file, &["bt"]), "read_null", &[]);
    }
    let named = |file: &&PathBuf| json.contains(&format!("\"core\":\"{}\"", file.display()));
    assert_eq!(files.iter().filter(named).count(), 1, "{json}");
}

#[test]
fn tests_do_not_share_a_core() {
    let output = Command::new(env!("CARGO_BIN_EXE_pvhost"))
        .args(["test", "/", "--", "--core", "core"])
        .output()
        .expect("pvhost starts");
    assert_eq!(output.status.code(), Some(2));
    has_all(&text(&output.stderr), &["`--core-dir`"]);
}

/// A program of one's own, which is not confined, and has no guest by a name.
#[test]
fn a_library_leaves_a_core_too() {
    let _place = place();
    for (arch, path) in each("fault") {
        let place = Place::new();
        let run = |arguments: &str| {
            let image = Image::open(&path).expect("a guest");
            let file = CoreFile::create(&place.core, &image).expect("a place for it");
            let (console, _) = output();
            let builder = vm(&path, console).command_line(arguments).core(file);
            builder.build().expect("a guest for this host").run().expect("it runs")
        };
        let finished = run("exit 3");
        assert!(matches!(finished.exit, Exit::Exit(3)), "{arch}");
        assert!(finished.core.is_none() && place.files().is_empty(), "{arch}");
        let finished = run("undefined");
        let core = finished.core.expect("it is due").expect("there is room");
        assert_eq!(core, place.core, "{arch}");
        let said = place.gdb(&path, &["x/i $pc"]);
        has_all(&said, &["terminated with signal SIGILL", "ud2"]);
    }
}

/// Debuggers tell by it a core from one of another build.
#[test]
fn a_core_has_its_images_build_id() {
    for (arch, guest) in each("fault") {
        let image = Image::open(&guest).expect("a guest");
        let section = image
            .sections()
            .iter()
            .find(|section| section.name == ".note.gnu.build-id");
        let section = section.expect("the linker has put one in");
        let at = image.file_offset(section.address, section.size as usize);
        let note = &image.file()[at.expect("it is loaded")..][..section.size as usize];
        let place = Place::new();
        place.run(&guest, &[], &["null"]);
        let core = fs::read(&place.core).expect("it is there");
        assert!(core.windows(note.len()).any(|bytes| bytes == note), "{arch}");
    }
}
