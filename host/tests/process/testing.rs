// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost test`: many guests at once.

use std::fs;
use std::io::{Read, pipe};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pvhost::streams::Stream;
use roxmltree::Document;
use serde_json::Value;
use tempfile::TempDir;

use super::guests::{Arch, Running, SOON, guest, text, wait_for, with_usual_signals};
use super::terminal::terminal;

/// A folder with guests, and `pvhost test` in it.
struct Folder(TempDir);

impl Folder {
    fn new(guests: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder for temporary files"));
        for (name, of) in guests {
            let file = folder.path(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::copy(guest(Arch::X86_64, of), file).expect("a copy");
        }
        folder
    }

    /// With the guest whose tests end in many ways.
    fn outcomes() -> Self {
        Self::new(&[("guests/outcomes", "outcomes")])
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
        with_usual_signals(&mut command);
        command.arg("test").args(arguments).current_dir(&self.0);
        command.stdin(Stdio::null()).env_remove("COLUMNS");
        command
    }

    fn test(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("pvhost starts")
    }

    /// With `--json`; what it prints, and its exit status.
    fn json(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output = self.test(&[arguments, &["--json"]].concat());
        let json = serde_json::from_slice(&output.stdout);
        (json.unwrap_or_else(|_| panic!("{output:?}")), output.status.code())
    }
}

/// What is said of the tests: their names, results and notes.
fn results(json: &Value) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let tests = json["tests"].as_array().expect("tests").iter();
    tests
        .map(|test| (word(&test["name"]), word(&test["result"]), word(&test["note"])))
        .collect()
}

/// Every way in which a test may end, in every report.
#[test]
fn each_test_of_a_guest_is_judged_by_its_banner_or_its_status() {
    let folder = Folder::outcomes();
    let reasons = "[[exception]]\ntest = \"outcomes/fa*\"\nhost = \"process\"\nwhy = \"it is made so\"\n";
    fs::write(folder.path("reasons.toml"), reasons).expect("a file");
    let (json, status) = folder.json(&[
        "guests",
        "--timeout=5",
        "--output=logs",
        "--junit=report.xml",
        "--reasons=reasons.toml",
    ]);
    assert_eq!(status, Some(1));
    let expected = [
        ("banner-complete", "passed", ""),
        ("banner-cut", "failed", "ended early"),
        (
            "banner-expected-fail",
            "skipped",
            "RTEMS expects it to fail (ended early)",
        ),
        ("banner-unexpected-pass", "passed", "although RTEMS expects it to fail"),
        ("controls-terminal", "failed", "ended with status 1"),
        ("fails", "failed", "ended with status 7"),
        ("fatal", "failed", "ended with status 3"),
        ("faults", "failed", "guest fault"),
        ("floods", "failed", "ended by us, it printed more than 16 MiB"),
        ("hangs", "failed", "timeout"),
        ("passes", "passed", ""),
    ];
    let owned = |(name, result, note): (&str, &str, &str)| (name.to_owned(), result.to_owned(), note.to_owned());
    assert_eq!(results(&json), expected.map(owned));
    for (member, count) in [
        ("passed", 3),
        ("failed", 7),
        ("skipped", 1),
        ("not_run", 0),
        ("flaky", 0),
        ("status", 1),
    ] {
        assert_eq!(json[member], count, "{member}");
    }
    assert_eq!(
        (&json["host"], &json["signal"]),
        (&Value::from("process"), &Value::Null)
    );
    let fails = &json["tests"][5];
    assert_eq!(fails["group"], "guests/outcomes");
    assert_eq!(fails["last_lines"], Value::from(vec!["before", "it failed"]));
    assert_eq!(json["tests"][1]["state"], "EXPECTED_PASS");
    let kept = fails["attempts"][0]["output"].as_str().expect("a file");
    assert_eq!(fs::read(folder.path(kept)).expect("a file"), b"before\nit failed\n");
    let flood = fs::metadata(folder.path("logs/guests/outcomes/floods.log")).expect("a file");
    assert_eq!(flood.len(), 16 << 20);
    let faults = fs::read_to_string(folder.path("logs/guests/outcomes/faults.log")).expect("a file");
    assert!(faults.starts_with("pvhost: guest fault: "), "{faults}");

    let xml = fs::read_to_string(folder.path("report.xml")).expect("a file");
    let document = Document::parse(&xml).expect("XML");
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let of_cases: Vec<_> = cases
        .map(|case| {
            let element = case.first_element_child().map(|child| child.tag_name().name());
            (case.attribute("name").expect("a name"), element)
        })
        .collect();
    let element = |(name, result, note): (&'static str, _, &str)| {
        let element = match result {
            "failed" => Some("failure"),
            "skipped" => Some("skipped"),
            _ if note.is_empty() => None,
            _ => Some("system-out"),
        };
        (name, element)
    };
    assert_eq!(of_cases, expected.map(element));
    assert_eq!(document.root_element().attribute("failures"), Some("7"));
}

#[test]
fn the_report_for_people_shows_what_failed_and_where_its_output_is() {
    let folder = Folder::outcomes();
    let output = folder.test(&[
        "guests",
        "--filter=fails",
        "--filter=passes",
        "--filter=c*l",
        "--output",
        "lo gs",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let (details, table) = said.split_once("\nGROUP").expect("a table");
    assert_eq!(
        details,
        "\nFAILED: guests/outcomes/controls-terminal: ended with status 1\n    \
         output: lo gs/guests/outcomes/controls-terminal.log\n    \
         | \\u{1b}[2J\\u{7}]]>&<\\u{202e}\\0\\u{ffff}\n    \
         | an end\n\
         FAILED: guests/outcomes/fails: ended with status 7\n    \
         output: lo gs/guests/outcomes/fails.log\n    \
         | before\n    \
         | it failed\n"
    );
    assert!(
        table.contains("\nguests/outcomes  1       0      2       0        0        "),
        "{table}"
    );
    assert!(table.contains("\n1 passed, 2 failed, 0 skipped, in "), "{table}");
    let mut lines: Vec<_> = text(&output.stderr)
        .lines()
        .map(|line| line.split(" (").next().map(str::to_owned))
        .collect();
    lines.sort();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].as_deref().is_some_and(|line| line.starts_with("[1/3] ")),
        "{lines:?}"
    );

    let well = folder.test(&["guests", "--filter=passes"]);
    assert_eq!(well.status.code(), Some(0), "{well:?}");
}

/// A guest that fails always is run as often as is asked for, and everything says so.
#[test]
fn each_attempt_is_reported_and_its_output_kept() {
    let folder = Folder::outcomes();
    let (json, status) = folder.json(&[
        "guests",
        "--filter=fails",
        "--retries=2",
        "-o",
        "logs",
        "--junit=report.xml",
    ]);
    assert_eq!(status, Some(1));
    let attempts = json["tests"][0]["attempts"].as_array().expect("attempts");
    let kept: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["output"].as_str().expect("a file"))
        .collect();
    let names = ["fails.log", "fails.log.2", "fails.log.3"];
    assert_eq!(kept, names.map(|name| format!("logs/guests/outcomes/{name}")));
    assert!(kept.iter().all(|file| folder.path(file).is_file()));
    let xml = fs::read_to_string(folder.path("report.xml")).expect("a file");
    assert_eq!(xml.matches("<rerunFailure ").count(), 2, "{xml}");
}

#[test]
fn guests_are_found_in_folders_and_other_files_are_not_run() {
    let folder = Folder::new(&[
        ("top/b/hello", "hello"),
        ("top/a\n/hello.exe", "hello"),
        ("top/hello", "hello"),
    ]);
    fs::copy(env!("CARGO_BIN_EXE_pvhost"), folder.path("top/pvhost")).expect("a copy");
    fs::write(folder.path("top/notes"), "no guest").expect("a file");
    fs::copy(
        folder.path("top/hello"),
        folder.path(std::ffi::OsStr::from_bytes(b"top/b/\xff")),
    )
    .expect("a copy");
    symlink(".", folder.path("top/loop")).expect("a link");
    let output = folder.test(&["top", "--verbose", "--json", "--junit=report.xml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<_> = results(&json).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["hello", "hello", "\u{fffd}", "hello"]);
    let groups: Vec<_> = json["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .map(|test| &test["group"])
        .collect();
    assert_eq!(groups, ["a\n", "b", "b", "top"]);
    let said = text(&output.stderr);
    for line in [
        "top/loop: a link to a folder",
        "top/notes: no guest",
        "top/pvhost: no guest",
    ] {
        assert!(said.contains(&format!("pvhost: {line}\n")), "{said}");
    }
    assert!(said.contains("passed: a\\n/hello"), "{said}");
    let xml = fs::read_to_string(folder.path("report.xml")).expect("a file");
    Document::parse(&xml).expect("XML");
}

/// One that is named, and what is no guest, fails in words, and not the other ones.
#[test]
fn a_file_that_is_named_is_run_whatever_it_is() {
    let folder = Folder::new(&[("hello", "hello")]);
    fs::write(folder.path("notes"), "no guest").expect("a file");
    let output = folder.test(&["hello", "notes"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.contains("\nFAILED: notes: the host ended with status 1\n    | pvhost: error: notes: "),
        "{said}"
    );
    assert!(said.contains("\n1 passed, 1 failed, 0 skipped, "), "{said}");
}

#[test]
fn reasons_reach_no_terminal_and_take_no_memory() {
    let folder = Folder::new(&[("guests/hello", "hello")]);
    let bad = "[[exception]]\ntest = \"a\"\n\"\\u001b[31m\\u202e\" = 1\nwhy = \"b\"\n";
    fs::write(folder.path("bad.toml"), bad).expect("a file");
    fs::write(folder.path("long.toml"), format!("{} = 1\n", "x".repeat(1_000_000))).expect("a file");
    let many = "[[exception]]\ntest = \"a\"\nwhy = \"b\"\n".repeat(100_000);
    fs::write(folder.path("many.toml"), many).expect("a file");
    for (file, said) in [
        ("bad.toml", "bad.toml: line 3: unknown field"),
        ("long.toml", "long.toml: line 1: "),
        ("many.toml", "many.toml: more than 1048576 bytes"),
    ] {
        let output = folder.test(&["guests", &format!("--reasons={file}")]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message:?}");
        assert!(message.len() < 1000, "{}", message.len());
    }
}

/// As from a shell in which `trap '' CHLD` has been said.
#[test]
fn whoever_starts_it_may_ignore_his_children() {
    let folder = Folder::new(&[("guests/hello", "hello")]);
    let mut command = folder.command(&["guests"]);
    // SAFETY: signal may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    let output = command.output().expect("pvhost starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("1 passed, 0 failed"), "{output:?}");
}

#[test]
fn a_reader_that_does_not_read_puts_off_no_end() {
    let folder = Folder::outcomes();
    let (_reader, writer) = pipe().expect("a pipe");
    let stream = Stream::writer(writer.try_clone().expect("a second handle").into());
    while stream.write(&[b'x'; 4096]).is_ok() {}
    let mut command = folder.command(&["guests", "--timeout=60s"]);
    let mut running = Running::start(command.stdout(writer).stderr(Stdio::null()));
    running.wait_until_stalled();
    running.signal(libc::SIGTERM);
    assert_eq!(running.ends().signal(), Some(libc::SIGTERM));
}

#[test]
fn what_cannot_be_run_is_said_in_words() {
    let folder = Folder::new(&[("guests/hello", "hello")]);
    fs::create_dir(folder.path("empty")).expect("a folder");
    fs::write(folder.path("reasons.toml"), "[[exception]]\n").expect("a file");
    for (arguments, status, said) in [
        (&["absent"][..], 1, "error: cannot read absent: No such file"),
        (&["-"], 1, "error: a guest is read for each of its runs: name its file"),
        (&["empty"], 1, "error: there are no tests in the folders"),
        (
            &["guests", "--filter=world"],
            1,
            "error: no test has a name that --filter lets through",
        ),
        (&["guests", "--filter=w["], 2, "error: invalid value 'w['"),
        (
            &["guests", "--output=guests/hello"],
            1,
            "error: cannot write guests/hello: ",
        ),
        (
            &["guests", "--junit=absent/report.xml"],
            1,
            "error: cannot write absent/report.xml: ",
        ),
        (
            &["guests/hello", "--junit=guests/hello"],
            1,
            "error: guests/hello is the file guests/hello",
        ),
        (
            &["guests", "--junit=-", "--json"],
            1,
            "error: both reports would be on standard output",
        ),
        (&["guests", "--reasons=reasons.toml"], 1, "error: reasons.toml: "),
        (
            &["guests", "--", "--frobnicate"],
            2,
            "error: unexpected argument '--frobnicate'",
        ),
        (
            &["guests", "--", "--memory"],
            2,
            "error: a value is required for '--memory",
        ),
        (
            &["guests", "--", "other", "--", "word"],
            2,
            "error: behind `--` are options",
        ),
        (
            &["guests", "--host=qemu", "--", "--realtime"],
            2,
            "error: `--realtime` is for `--host process` only",
        ),
        (&["guests", "--jobs=0"], 2, "error: invalid value '0'"),
    ] {
        let output = folder.test(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        assert!(
            text(&output.stderr).contains(&format!("pvhost: {said}")),
            "{arguments:?}: {output:?}"
        );
    }
}

#[test]
fn options_are_passed_on() {
    let folder = Folder::new(&[("hello", "hello")]);
    let output = folder.test(&["hello", "--output=logs", "--", "--verbose", "--memory=1MiB"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let kept = fs::read_to_string(folder.path("logs/hello.log")).expect("a file");
    assert!(kept.contains(" 1 MiB of memory beside the image"), "{kept}");
}

/// Tests compute until a time has come: for them, `fast` is on a slower processor.
#[test]
fn fast_is_faster_for_tests() {
    for (time, passed_on) in [("fast", "fast=20"), ("fast=1", "fast=1"), ("steps", "steps")] {
        let folder = Folder::new(&[("hello", "hello")]);
        let output = folder.test(&["hello", "--time", time, "--output=logs", "--", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let kept = fs::read_to_string(folder.path("logs/hello.log")).expect("a file");
        let json = kept.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let json = json.unwrap_or_else(|| panic!("{kept}"));
        assert!(
            json["time"].as_str().expect("a text").starts_with(passed_on),
            "{time}: {json}"
        );
    }
}

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let folder = Folder::new(&[("hello", "hello")]);
    let output = folder.test(&["hello", "--junit=-"]);
    Document::parse(&text(&output.stdout)).expect("XML");
    assert!(text(&output.stderr).contains("\n1 passed, 0 failed, "), "{output:?}");
}

/// Both would write to the same files.
#[test]
fn two_do_not_share_a_folder() {
    let folder = Folder::outcomes();
    let first = folder
        .command(&["guests", "--filter=hangs", "--output=logs"])
        .stdout(Stdio::null())
        .spawn();
    let first = Running(first.expect("pvhost starts"));
    let log = folder.path("logs/guests/outcomes/hangs.log");
    wait_for("the guest", || {
        fs::read(&log).is_ok_and(|printed| printed == b"hanging\n")
    });
    let second = folder.test(&["guests", "--filter=passes", "--output=logs"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another run of tests is writing to logs"),
        "{second:?}"
    );
    // With a folder of its own, it runs beside the other.
    let third = folder.test(&["guests", "--filter=passes", "--output=others"]);
    assert_eq!(third.status.code(), Some(0), "{third:?}");
    drop(first);
    // Whose guest has gone with it.
    wait_for("the folder", || {
        folder
            .test(&["guests", "--filter=passes", "--output=logs"])
            .status
            .success()
    });
}

#[test]
fn a_signal_ends_the_guests_and_the_reports_say_what_was_not_run() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let folder = Folder::outcomes();
        let arguments = [
            "guests",
            "--jobs=1",
            "--filter=fails",
            "--filter=hangs",
            "--filter=passes",
        ];
        let options = ["--output=logs", "--junit=report.xml", "--json"];
        let mut command = folder.command(&[&arguments[..], &options].concat());
        let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let log = folder.path("logs/guests/outcomes/hangs.log");
        wait_for("the guest", || {
            fs::read(&log).is_ok_and(|printed| printed == b"hanging\n")
        });
        let start = Instant::now();
        running.signal(signal);
        let output = running.output();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert_eq!(output.status.signal(), Some(signal));
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let all = results(&json);
        let all: Vec<_> = all
            .iter()
            .map(|(name, result, _)| (name.as_str(), result.as_str()))
            .collect();
        assert_eq!(all, [("fails", "failed"), ("hangs", "not-run"), ("passes", "not-run")]);
        assert_eq!(
            (&json["signal"], &json["not_run"]),
            (&Value::from(signal), &Value::from(2))
        );
        let xml = fs::read_to_string(folder.path("report.xml")).expect("a file");
        let document = Document::parse(&xml).expect("XML");
        assert_eq!(document.root_element().attribute("errors"), Some("2"));
    }
}

/// They run at once: none of them waits for the time limit of another.
#[test]
fn jobs_run_side_by_side() {
    let folder = Folder::new(&[]);
    for name in ["a", "b", "c", "d"] {
        fs::create_dir(folder.path(name)).expect("a folder");
        fs::copy(guest(Arch::X86_64, "outcomes"), folder.path(name).join("outcomes")).expect("a copy");
    }
    let start = Instant::now();
    let (json, _) = folder.json(&[".", "--filter=hangs", "--jobs=4", "--timeout=3"]);
    assert_eq!(json["failed"], 4);
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

/// One line changes; what is worth a look stays, and in the end the line is gone.
#[test]
fn on_a_terminal_one_line_tells_how_far_it_is() {
    let folder = Folder::outcomes();
    let (mut screen, terminal) = terminal();
    let mut command = folder.command(&["guests", "--filter=fails", "--filter=passes", "--jobs=1"]);
    command
        .stdout(Stdio::null())
        .stderr(terminal)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let status = Running::start(&mut command).ends();
    assert_eq!(status.code(), Some(1));
    // What has the terminal open is gone with it.
    drop(command);
    let mut shown = Vec::new();
    // Its end is an error.
    let _ = screen.read_to_end(&mut shown);
    let shown = text(&shown);
    let times = shown
        .split(" (0.")
        .map(|part| part.split_once(" s) ").map_or(part, |(_, rest)| rest));
    let times: Vec<_> = times.collect();
    assert_eq!(
        times.join("|"),
        "\r\x1b[K[0/2] 0 failed; running: guests/outcomes/fails\
         \r\x1b[K[1/2] FAILED: guests/outcomes/fails|ended with status 7\r\n\
         \r\x1b[K[1/2] 1 failed; running: guests/outcomes/passes\
         \r\x1b[K"
    );
}
