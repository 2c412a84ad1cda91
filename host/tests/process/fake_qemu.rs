// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host qemu|xen-pv` with a shell script in QEMU's place, for ends and errors that a real one does not
//! come to.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tempfile::TempDir;

use pvhost::process::ENDS;

use super::emulator::{has_ended, qemu_of};
use super::guests::{Arch, Running, guest, pvhost, text, wait_for};
use super::terminal::{self, DEADLY, Session};

/// A folder with a program `qemu-system-x86_64`, gone when the test has ended.
struct Fake {
    folder: TempDir,
}

impl Fake {
    /// `body` is a shell script; the debug console is its file `$debug`.
    fn new(body: &str) -> Self {
        let folder = TempDir::new().expect("a folder for temporary files");
        let program = folder.path().join("qemu-system-x86_64");
        let script = format!("#!/bin/sh\nfor debug; do :; done\ndebug=${{debug#file:}}\n{body}\n");
        let written = folder.path().join("script");
        fs::write(&written, script).expect("a script");
        // Copied by a process of its own: what this one has open for writing, a program that another test starts keeps
        // open for a moment, and so long it cannot be started.
        let copied = Command::new("install")
            .args(["-m", "755"])
            .args([&written, &program])
            .status()
            .expect("coreutils are there");
        assert!(copied.success(), "{copied}");
        fs::write(folder.path().join("xen"), "\x7fELF").expect("a file");
        Self { folder }
    }

    /// The command that runs hello on that host.
    fn command(&self, host: &str, options: &[&str]) -> Command {
        self.command_of(&guest(Arch::I386, "hello"), host, options)
    }

    fn command_of(&self, guest: &Path, host: &str, options: &[&str]) -> Command {
        let xen = self.folder.path().join("xen");
        let mut all = vec!["--host", host];
        if host != "qemu" {
            all.extend(["--xen", xen.to_str().expect("a plain name")]);
        }
        all.extend(options);
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        let mut command = pvhost(guest, &all, &[]);
        command.env("PATH", path);
        command
    }
}

/// What the run of a script came to: status, standard output, standard error.
fn ran(host: &str, body: &str) -> (Option<i32>, String, String) {
    let output = Fake::new(body).command(host, &[]).output();
    let output = output.expect("pvhost starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_last_words_count_and_not_the_status_of_qemu() {
    for (words, status) in [
        ("exit 263", 7),
        ("exit -1", 255),
        ("fatal 1", 3),
        ("reset 0", 4),
        ("fault 13", 5),
    ] {
        let body = format!("echo out; echo 'paravirt: shutdown {words}' >$debug; exit 21");
        assert_eq!(
            ran("qemu", &body),
            (Some(status), "out\n".into(), String::new()),
            "{words}"
        );
    }
}

#[test]
fn without_last_words_the_status_is_1_and_the_reason_is_guessed() {
    for (name, body, reason) in [
        ("reset", "exit 0", "the machine was reset or switched off"),
        ("port", "exit 15", "by port 0xf4 without a line that says why"),
        ("killed", "kill -9 $$", "QEMU ended with signal: 9"),
        (
            "unhappy",
            "echo 'qemu: no such machine' >&2; exit 1",
            "qemu: no such machine\npvhost: error: the guest has not said how it ended: QEMU ended with exit status: 1",
        ),
        (
            "garbled",
            "echo 'paravirt: shutdown exit x' >$debug; exit 0",
            "guest: paravirt: shutdown exit x\n",
        ),
    ] {
        let (status, _, stderr) = ran("qemu", body);
        assert_eq!(status, Some(1), "{name}: {stderr}");
        assert!(stderr.contains(reason), "{name}: {stderr}");
    }
}

#[test]
fn other_words_on_the_debug_console_are_shown() {
    let body = "printf 'no memory map\\nesc \\033[2J' >$debug; echo x; \
        printf '\\nparavirt: shutdown fatal 1' >$debug";
    let (status, stdout, stderr) = ran("qemu", body);
    assert_eq!((status, stdout.as_str()), (Some(3), "x\n"));
    assert_eq!(stderr, "guest: no memory map\nguest: esc \\u{1b}[2J\n");
}

#[test]
fn a_qemu_that_goes_on_after_the_last_words_is_ended() {
    let body = "echo 'paravirt: shutdown exit 2' >$debug; echo late; exec sleep 1000";
    let (status, stdout, _) = ran("qemu", body);
    assert_eq!((status, stdout.as_str()), (Some(2), "late\n"));
}

#[test]
fn a_xen_that_cannot_start_the_guest_is_heard() {
    let body = "printf '(XEN) boot\\r\\n(XEN) Panic on CPU 0:\\r\\n(XEN) no dom0\\r\\n(XEN) Reboot in five \
        seconds...\\r\\n'; exec sleep 1000";
    let (status, stdout, stderr) = ran("xen-pvh", body);
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.starts_with("(XEN) boot\n(XEN) Panic on CPU 0:\n(XEN) no dom0\n"),
        "{stderr}"
    );
    assert!(stderr.contains("Xen itself stopped in a panic"), "{stderr}");
}

#[test]
fn when_the_time_is_over_xen_is_heard() {
    // The end of the last line never comes.
    let boot = "printf 'boot(XEN) boot\\r\\n(XEN) no dom0 ye'; exec sleep 1000";
    // What Xen said before the guest started is none of the guest's.
    let guest =
        "printf '(XEN) boot\\r\\n(XEN) Freed 1kB init memory\\r\\nhello\\r\\n(XEN) late\\r\\n'; exec sleep 1000";
    for (body, options, stdout, stderr) in [
        (boot, &[][..], "boot", "(XEN) boot\n(XEN) no dom0 ye\n"),
        (guest, &[], "hello\n", "(XEN) late\n"),
        // These have been shown as they came.
        (
            guest,
            &["--verbose"],
            "hello\n",
            "(XEN) boot\n(XEN) Freed 1kB init memory\n(XEN) late\n",
        ),
    ] {
        let options = [&["--timeout", "2"], options].concat();
        let output = Fake::new(body).command("xen-pvh", &options).output();
        let output = output.expect("pvhost starts");
        assert_eq!(output.status.code(), Some(124), "{body} {options:?}");
        assert_eq!(text(&output.stdout), stdout, "{body} {options:?}");
        let said = text(&output.stderr);
        let of_xen = said.split_inclusive('\n').filter(|line| line.starts_with("(XEN) "));
        assert_eq!(of_xen.collect::<String>(), stderr, "{body} {options:?}");
        let last = said.lines().last();
        assert_eq!(last, Some("pvhost: timed out after 2 s (--timeout)"), "{said}");
    }
}

#[test]
fn a_guest_that_xen_ends_is_told_from_one_that_ends_itself() {
    let boot = "printf '(XEN) boot\\r\\n(XEN) Freed 1kB init memory\\r\\nhello\\r\\n'";
    let crash = "printf '(XEN) registers\\r\\n(XEN) Hardware Dom0 crashed: rebooting\\r\\n'";
    let body = format!("{boot}; {crash}; exec sleep 1000");
    let (status, stdout, stderr) = ran("xen-pvh", &body);
    assert_eq!((status, stdout.as_str()), (Some(5), "hello\n"));
    assert_eq!(stderr, "(XEN) registers\n(XEN) Hardware Dom0 crashed: rebooting\n");
    let body = format!("{boot}; printf '(d0) paravirt: shutdown exit 6\\r\\n'; {crash}; exit 0");
    let end = ran("xen-pvh", &body);
    assert_eq!(end, (Some(6), "hello\n".into(), String::new()));
}

#[test]
fn a_xen_that_speaks_haltingly_is_still_xen() {
    let body = "printf '(XE'; sleep 1; printf 'N) boot\\r\\n'; echo 'paravirt: shutdown exit 0' >$debug";
    let end = ran("xen-pvh", body);
    assert_eq!(end, (Some(0), String::new(), String::new()));
}

#[test]
fn a_prompt_that_looks_like_xen_is_shown_in_time() {
    // The end of the script waits for the input that the prompt asks for.
    let body =
        "printf '(XEN) Freed 1kB init memory\\r\\n(X'; head -c 1 >/dev/null; echo 'paravirt: shutdown exit 0' >$debug";
    let (status, stdout, _) = ran("xen-pvh", body);
    assert_eq!((status, stdout.as_str()), (Some(0), "(X"));
}

/// Under Xen input goes in small portions, as long as some waits; what Xen adds to a line is taken out all the same.
#[test]
fn the_pace_of_input_is_no_silence() {
    /// Of a silence, in ms.
    const SILENCE: u32 = 200;
    const RUNS: usize = 3;
    // On a busy machine the script may be silent for longer than it means to be; so it says how long it was at most.
    let body = "printf '(XEN) Freed 1kB init memory\\r\\n'; before=$(date +%s%N); printf 'line\\r'; sleep 0.1; \
        printf '\\n'; echo $((($(date +%s%N) - before) / 1000000)) >\"${0%/*}/silence\"; \
        echo 'paravirt: shutdown exit 0' >$debug";
    let fake = Fake::new(body);
    let mut shorter = (0..50).filter(|_| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(&[b'x'; 1000]).expect("it fits");
        let output = fake.command("xen-pvh", &[]).stdin(reader).output();
        let silence = fs::read_to_string(fake.folder.path().join("silence")).expect("the script's file");
        let silence: u32 = silence.trim().parse().expect("a number");
        let is_short = silence < SILENCE;
        let printed = text(&output.expect("pvhost starts").stdout);
        assert!(!is_short || printed == "line\n", "{printed:?} after {silence} ms");
        is_short
    });
    assert_eq!(
        shorter.by_ref().take(RUNS).count(),
        RUNS,
        "runs that were silent for less"
    );
}

#[test]
fn options_of_another_host_are_a_wrong_command_line() {
    for (options, named) in [
        (&["--host", "qemu", "--lazy"][..], "--lazy"),
        (&["--host", "xen", "--stats"], "--stats"),
        (&["--host", "qemu", "--json"], "--json"),
        (&["--host", "qemu", "--realtime"], "--realtime"),
        (&["--icount"], "--icount"),
        (&["--host", "qemu", "--xen", "x"], "--xen"),
        (&["--host", "kvm"], "kvm"),
    ] {
        let hello = guest(Arch::X86_64, "hello");
        let output = pvhost(&hello, options, &[]).output().expect("pvhost starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        assert!(stderr.contains(named), "{options:?}: {stderr}");
    }
}

/// No clock can show when it ends.
#[test]
fn a_timeout_beyond_all_time_is_none() {
    for timeout in ["1e19", "5e15h"] {
        let fake = Fake::new("echo 'paravirt: shutdown exit 7' >$debug");
        let output = fake.command("qemu", &["--timeout", timeout]).output();
        let output = output.expect("pvhost starts");
        assert_eq!(output.status.code(), Some(7), "{timeout}: {}", text(&output.stderr));
    }
}

/// A guest that prints more than any pipe holds, and goes on for ever or not; one of which Xen has as much to say; and
/// one that has closed whatever it could be heard by, and does not end.
const TALKATIVE: [(&str, &[&str], &str); 4] = [
    ("qemu", &[], "head -c 200000 /dev/zero | tr '\\0' x; exec sleep 1000"),
    (
        "qemu",
        &[],
        "head -c 100000 /dev/zero | tr '\\0' x; echo 'paravirt: shutdown exit 0' >$debug",
    ),
    (
        "xen-pvh",
        &["--verbose"],
        "yes '(XEN) it goes on' | head -n 20000; exec sleep 1000",
    ),
    (
        "qemu",
        &[],
        "head -c 200000 /dev/zero | tr '\\0' x; eval \"exec ${debug##*/}>&- >&- 2>&-\"; exec sleep 1000",
    ),
];

/// Standard output and standard error that nobody reads, in which blocking is a property that all who share it have.
fn stalled(blocking: bool) -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    if !blocking {
        let flags = fcntl_getfl(&writer).expect("flags");
        fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("flags");
    }
    (reader, writer)
}

/// Starts it with both streams there; the pipe.
fn start_stalled(command: &mut Command, blocking: bool) -> ((PipeReader, PipeWriter), Running) {
    let pipe = stalled(blocking);
    let writer = || pipe.1.try_clone().expect("a second handle");
    let running = Running::start(command.stdout(writer()).stderr(writer()));
    (pipe, running)
}

#[test]
fn a_timeout_is_one_also_if_nobody_takes_the_output() {
    for (host, options, body) in TALKATIVE {
        for blocking in [true, false] {
            let fake = Fake::new(body);
            let options = [options, &["--timeout", "1"]].concat();
            let mut command = fake.command(host, &options);
            let (_pipe, mut running) = start_stalled(&mut command, blocking);
            let status = running.ends();
            assert_eq!(status.code(), Some(124), "{body} {blocking}: {status}");
        }
    }
}

#[test]
fn a_request_to_end_is_honoured_also_if_nobody_takes_the_output() {
    for (host, options, body) in TALKATIVE {
        for signal in ENDS {
            let fake = Fake::new(body);
            let blocking = signal == libc::SIGTERM;
            let mut command = fake.command(host, options);
            let ((_reader, writer), mut running) = start_stalled(&mut command, blocking);
            wait_for("a full pipe", || {
                let mut files = [PollFd::new(&writer, PollFlags::OUT)];
                poll(&mut files, Some(&Timespec::default())).expect("a pipe") == 0
            });
            running.wait_until_stalled();
            // One of them has ended by then.
            let qemu = body.contains("sleep").then(|| qemu_of(&running.0));
            running.signal(signal);
            let status = running.ends();
            assert_eq!(status.signal(), Some(signal), "{body}: {status}");
            // It was the first to go.
            assert!(qemu.is_none_or(has_ended), "{body}: {signal}");
        }
    }
}

#[test]
fn output_that_is_taken_late_is_whole() {
    let fake = Fake::new(TALKATIVE[1].2);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = fake.command("qemu", &[]);
    let mut running = Running::start(command.stdout(writer));
    drop(command);
    running.wait_until_stalled();
    let mut output = Vec::new();
    reader.read_to_end(&mut output).expect("it prints");
    assert_eq!(running.ends().code(), Some(0));
    assert_eq!(output.len(), 100_000);
}

#[test]
fn a_reader_that_goes_away_is_the_end_as_of_other_programs() {
    for body in ["exec yes", "echo out; echo 'paravirt: shutdown exit 7' >$debug"] {
        for ignored in [false, true] {
            let fake = Fake::new(body);
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let mut command = fake.command("qemu", &[]);
            if ignored {
                // SAFETY: one system call, which a forked child may make.
                unsafe {
                    command.pre_exec(|| {
                        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                        Ok(())
                    });
                }
            }
            let output = command.stdout(writer).output().expect("pvhost starts");
            let (status, stderr) = (output.status, text(&output.stderr));
            if ignored {
                assert_eq!(status.code(), Some(1), "{body}: {status}: {stderr}");
                let error = "pvhost: error: cannot write the guest's output: Broken pipe";
                assert!(stderr.starts_with(error), "{body}: {stderr}");
            } else {
                assert_eq!(status.signal(), Some(libc::SIGPIPE), "{body}: {status}");
                assert_eq!(stderr, "", "{body}");
            }
        }
    }
}

#[test]
fn output_to_a_full_disk_is_an_error_unless_the_guests_end_is_one() {
    let full = || File::options().write(true).open("/dev/full");
    for (words, status) in [("exit 0", 1), ("exit 7", 7), ("fatal 1", 3), ("fault 6", 5)] {
        let fake = Fake::new(&format!("echo out; echo 'paravirt: shutdown {words}' >$debug"));
        let mut command = fake.command("qemu", &[]);
        let command = command.stdout(full().expect("there is a /dev/full"));
        let output = command.output().expect("pvhost starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words}: {stderr}");
        let error = "pvhost: error: cannot write the guest's output: No space left";
        assert!(stderr.starts_with(error), "{words}: {stderr}");
        // That nobody can be told changes nothing.
        let command = command.stderr(full().expect("there is a /dev/full"));
        let ended = command.status().expect("pvhost starts");
        assert_eq!(ended.code(), Some(status), "{words}");
    }
}

/// Each is told that there is something, and only one of them gets it.
#[test]
fn runs_that_share_their_input_end_all_the_same() {
    // It prints something, so that input is wanted.
    let fake = Fake::new("echo ready; exec sleep 1000");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut all: Vec<_> = (0..6)
        .map(|_| {
            let mut command = fake.command("qemu", &[]);
            command.stdin(reader.try_clone().expect("a second handle"));
            Running::start_until(&mut command, "ready\n")
        })
        .collect();
    for running in &all {
        running.wait_until_stalled();
    }
    writer.write_all(b"x").expect("somebody reads");
    for running in &all {
        running.signal(libc::SIGTERM);
    }
    for running in &mut all {
        assert_eq!(running.ends().signal(), Some(libc::SIGTERM));
    }
}

/// The guest's file is another by the time QEMU reads it, or was none to begin with.
#[test]
fn what_was_checked_is_what_runs() {
    const SHOW: &str = "while [ $# -gt 1 ]; do
            case $1 in -kernel) kernel=$2;; -initrd) module=${2%% *};; esac; shift
        done
        echo other >\"$GUEST\"
        cat \"${module:-$kernel}\"; echo 'paravirt: shutdown exit 0' >$debug";
    let fake = Fake::new(SHOW);
    let checked = guest(Arch::I386, "hello");
    let content = fs::read(&checked).expect("a guest");
    let copy = fake.folder.path().join("guest");
    for host in ["qemu", "xen-pvh"] {
        for standard_input in [false, true] {
            fs::write(&copy, &content).expect("a copy");
            let name = if standard_input {
                "-"
            } else {
                copy.to_str().expect("a plain name")
            };
            let mut command = fake.command_of(name.as_ref(), host, &[]);
            command.env("GUEST", &copy);
            if standard_input {
                command.stdin(File::open(&checked).expect("a guest"));
            }
            let output = command.output().expect("pvhost starts");
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{host}: {stderr}");
            assert!(output.stdout == content, "{host}: another file");
            assert_eq!(fs::read(&copy).expect("the file"), b"other\n", "{host}");
        }
    }
}

/// Xen's lines begin with what its copy in memory says, which no guest knows.
#[test]
fn a_guest_that_speaks_like_xen_is_not_taken_for_it() {
    let body = "while [ \"$1\" != -kernel ]; do shift; done
        mark=$(dd if=\"$2\" bs=1 skip=5 count=6 2>/dev/null)
        debug_mark=$(dd if=\"$2\" bs=1 skip=12 count=6 2>/dev/null)
        debug_mark=${debug_mark%%%*}0${debug_mark#*%d}
        printf '%s' \"$mark\"; printf 'boot\\r\\n'
        printf '%s' \"$mark\"; printf 'Freed 1kB init memory\\r\\n'
        printf '(XEN) Hardware Dom0 crashed: rebooting\\r\\n(d0) paravirt: shutdown exit 9\\r\\n(XEN) Reboot in five \
        seconds...\\r\\n'
        printf 'be%s' \"$mark\"; printf 'between\\r\\nhind\\r\\n'
        printf '%s' \"$debug_mark\"; printf 'paravirt: shutdown exit 6\\r\\n'";
    let fake = Fake::new(body);
    fs::write(fake.folder.path().join("xen"), "\x7fELF\0(XEN) \0(d%d) \0").expect("a file");
    let output = fake.command("xen-pvh", &["--verbose"]).output();
    let output = output.expect("pvhost starts");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(6), "{stdout}{stderr}");
    assert_eq!(
        stdout,
        "(XEN) Hardware Dom0 crashed: rebooting\n(d0) paravirt: shutdown exit 9\n(XEN) Reboot in five \
        seconds...\nbehind\n"
    );
    let of_xen = stderr.lines().filter(|line| line.starts_with("(XEN) "));
    assert_eq!(
        of_xen.collect::<Vec<_>>(),
        ["(XEN) boot", "(XEN) Freed 1kB init memory", "(XEN) between"]
    );
}

/// A guest that reads, in a script.
const ECHO: &str = "echo 'type, Ctrl-D ends'
    while c=$(dd bs=1 count=1 2>/dev/null) && [ \"$c\" != \"$(printf '\\004')\" ]; do printf '%s' \"$c\"; done
    echo 'paravirt: shutdown exit 0' >$debug";

#[test]
fn the_terminal_is_as_it_was_on_every_way_out() {
    for signal in DEADLY {
        let fake = Fake::new(ECHO);
        let session = Session::start_command(fake.command("qemu", &[]));
        session.wait_until_raw();
        session.signal(signal);
        assert_eq!(session.end().signal(), Some(signal));
    }
}

#[test]
fn the_terminal_is_the_guests_when_it_is_brought_forward() {
    let fake = Fake::new(ECHO);
    let command = fake.command("qemu", &[]);
    terminal::comes_forward("qemu", &command);
    terminal::goes_back_and_forth("qemu", &command);
    terminal::keeps_new_settings("qemu", &command);
}
