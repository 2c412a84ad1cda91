// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console on anything that standard input and output can be, but terminals.

use std::any::Any;
use std::env;
use std::fs::File;
use std::io::{IoSliceMut, PipeReader, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Console, Exit, Vm};
use pvhost::streams::Stream;
use rustix::fs::{Mode, OFlags, fchmod, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, ReadWriteFlags, ioctl_fionread, preadv2};
use rustix::termios::{Action, tcflow};

use super::guests::{Arch, Running, again, each, pvhost, text, wait_for};
use super::program::report;
use super::terminal::terminal;

/// What is in a pipe in which there is no room for a page more, at least, if it was filled in large pieces.
const FULL: u64 = 60_000;

#[test]
fn input_comes_from_a_pipe_in_pieces() {
    for (arch, guest) in each("echo") {
        let mut child = pvhost(&guest, &[], &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvhost starts");
        let mut input = child.stdin.take().expect("piped");
        for piece in ["first ", "second ", "third\n"] {
            input.write_all(piece.as_bytes()).expect("the guest reads");
            thread::sleep(Duration::from_millis(20));
        }
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arch}: {stdout}");
        assert!(stdout.contains("first second third\n"), "{arch}: {stdout}");
        assert!(stdout.contains("19 bytes"), "{arch}: {stdout}");
    }
}

#[test]
fn more_input_than_any_buffer_holds_arrives_whole() {
    for (arch, guest) in each("echo") {
        let mut child = pvhost(&guest, &[], &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvhost starts");
        let text: Vec<u8> = (0..300_000).map(|n| b"0123456789\n"[n % 11]).collect();
        let mut input = child.stdin.take().expect("piped");
        let writer = thread::spawn({
            let text = text.clone();
            move || input.write_all(&text)
        });
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("the guest reads all");
        assert_eq!(output.status.code(), Some(0), "{arch}");
        let found = output.stdout.windows(text.len()).any(|window| window == text);
        assert!(found, "{arch}: {} bytes came back", output.stdout.len());
    }
}

#[test]
fn input_may_be_a_file_nothing_or_closed() {
    for (arch, guest) in each("echo") {
        let file = || File::open(env!("CARGO_MANIFEST_PATH")).expect("the manifest");
        let size = file().metadata().expect("a file").len();
        let null = || File::open("/dev/null").expect("there is a /dev/null");
        for (input, bytes) in [(file(), size), (null(), 0)] {
            let output = pvhost(&guest, &[], &[]).stdin(input).output().expect("pvhost starts");
            assert_eq!(output.status.code(), Some(0), "{arch}");
            let stdout = text(&output.stdout);
            assert!(stdout.contains(&format!("{bytes} bytes")), "{arch}: {stdout}");
        }
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec \"$0\" run --timeout 60 \"$1\" <&-"]);
        let output = shell
            .args([env!("CARGO_BIN_EXE_pvhost").as_ref(), guest.as_os_str()])
            .output()
            .expect("sh starts");
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("0 bytes"), "{arch}");
    }
}

/// Standard output that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> File {
    let file = File::options().write(true).open("/dev/full");
    file.expect("there is a /dev/full")
}

/// A guest that ends and one that would print for ever.
fn printers(name: &str) -> impl Iterator<Item = (Arch, Command)> {
    let endless = name == "echo";
    each(name).map(move |(arch, guest)| {
        let mut command = pvhost(&guest, &["--json"], &[]);
        if endless {
            command.stdin(File::open("/dev/zero").expect("there is a /dev/zero"));
        }
        (arch, command)
    })
}

#[test]
fn a_reader_that_goes_away_is_the_end_as_of_other_programs() {
    for name in ["hello", "echo"] {
        for (arch, mut command) in printers(name) {
            let output = command.stdout(closed_pipe()).output();
            let output = output.expect("pvhost starts");
            let stderr = text(&output.stderr);
            let signal = output.status.signal();
            assert_eq!(signal, Some(libc::SIGPIPE), "{arch} {name}: {stderr}");
            let report = r#""end":"signal","code":13,"fault":null,"status":141"#;
            assert!(stderr.contains(report), "{arch} {name}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{arch} {name}: {stderr}");
        }
        for (arch, mut command) in printers(name) {
            // SAFETY: one system call, which a forked child may make.
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                    Ok(())
                });
            }
            let output = command.stdout(closed_pipe()).output();
            let output = output.expect("pvhost starts");
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arch} {name}: {stderr}");
            let error = "pvhost: error: cannot write the guest's output: Broken pipe";
            assert!(stderr.starts_with(error), "{arch} {name}: {stderr}");
            assert!(stderr.contains(r#""status":1,"#), "{arch} {name}: {stderr}");
        }
    }
}

#[test]
fn output_to_a_full_disk_is_an_error_unless_the_guests_end_is_one() {
    for (arch, guest) in each("fault") {
        for (end, own, status) in [
            ("nothing", 0, 1),
            ("fatal", 3, 3),
            ("unfinished", 5, 5),
            ("hang", 124, 124),
        ] {
            let timeout = if end == "hang" { "0.2" } else { "60" };
            let options = ["--json", "--timeout", timeout];
            let output = pvhost(&guest, &options, &[end]).output();
            let output = output.expect("pvhost starts");
            assert_eq!(output.status.code(), Some(own), "{arch} {end}");
            let output = pvhost(&guest, &options, &[end]).stdout(full()).output();
            let output = output.expect("pvhost starts");
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{arch} {end}: {stderr}");
            assert_eq!(report(&output)["status"], status, "{arch} {end}");
            let error = "pvhost: error: cannot write the guest's output: No space left";
            assert!(stderr.contains(error), "{arch} {end}: {stderr}");
        }
    }
}

#[test]
fn standard_error_that_is_lost_changes_no_end() {
    for (arch, guest) in each("fault") {
        for (end, status) in [("exit 7", 7), ("null", 5), ("fatal", 3), ("hang", 124)] {
            let timeout = if end == "hang" { "0.2" } else { "60" };
            let arguments: Vec<_> = end.split(' ').collect();
            for stderr in [Stdio::from(full()), closed_pipe()] {
                let options = ["--json", "--stats", "--timeout", timeout];
                let mut command = pvhost(&guest, &options, &arguments);
                let ended = command.stdout(Stdio::null()).stderr(stderr).status();
                let ended = ended.expect("pvhost starts");
                assert_eq!(ended.code(), Some(status), "{arch} {end}");
            }
        }
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let mut command = pvhost(&guest, &["--json"], &["hang"]);
            let mut running = Running::start_until(command.stderr(full()), "hanging\n");
            running.signal(signal);
            assert_eq!(running.ends().signal(), Some(signal), "{arch}");
        }
    }
}

/// Standard output that nobody reads, full or about to be, of each kind; and what keeps it open.
fn stalled() -> [(&'static str, OwnedFd, Box<dyn Any>); 4] {
    let (reader, writer) = pipe().expect("a pipe");
    let (impatient_reader, impatient) = pipe().expect("a pipe");
    let flags = fcntl_getfl(&impatient).expect("flags");
    fcntl_setfl(&impatient, flags | OFlags::NONBLOCK).expect("flags");
    let (near, far) = UnixStream::pair().expect("a socket");
    let (keyboard, terminal) = terminal();
    tcflow(&terminal, Action::OOff).expect("a terminal");
    [
        ("pipe", writer.into(), Box::new(reader)),
        ("non-blocking pipe", impatient.into(), Box::new(impatient_reader)),
        ("socket", far.into(), Box::new(near)),
        ("terminal after Ctrl-S", terminal.into(), Box::new(keyboard)),
    ]
}

#[test]
fn a_reader_that_does_not_read_blocks_the_guest_but_no_end() {
    for (arch, guest) in each("echo") {
        for signal in [None, Some(libc::SIGINT), Some(libc::SIGTERM)] {
            for (kind, writer, _reader) in stalled() {
                let timeout = if signal.is_some() { "60" } else { "1" };
                // Its messages have nowhere to go either.
                let stderr = writer.try_clone().expect("a second handle");
                let mut command = pvhost(&guest, &["--timeout", timeout], &[]);
                command.stdin(File::open("/dev/zero").expect("there is a /dev/zero"));
                command.stdout(writer).stderr(stderr);
                let mut running = Running::start(&mut command);
                drop(command);
                if let Some(signal) = signal {
                    running.wait_until_stalled();
                    running.signal(signal);
                }
                let status = running.ends();
                match signal {
                    Some(_) => assert_eq!(status.signal(), signal, "{arch} {kind}: {status}"),
                    None => assert_eq!(status.code(), Some(124), "{arch} {kind}: {status}"),
                }
            }
        }
    }
}

/// What is said before the guest's start and after its end.
#[test]
fn messages_that_nobody_reads_keep_no_run_beyond_its_time() {
    for (arch, guest) in each("table") {
        let options = ["--stats", "--json", "--timeout", "1"];
        let status = pvhost(&guest, &options, &[]).output().expect("pvhost starts").status;
        let (_reader, writer) = pipe().expect("a pipe");
        let stream = Stream::writer(writer.try_clone().expect("a second handle").into());
        while stream.write(&[b'x'; 4096]).is_ok() {}
        let mut command = pvhost(&guest, &options, &[]);
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(writer));
        assert_eq!(running.ends(), status, "{arch}");
    }
}

/// Returns whether Linux can read from a pipe without waiting, which it can since 6.5.
fn is_read_without_waiting(empty: &PipeReader) -> bool {
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    preadv2(empty, &mut buffers, u64::MAX, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN)
}

/// Each is told that there is something, and only one of them gets it.
#[test]
fn runs_that_share_their_input_end_all_the_same() {
    for (arch, guest) in each("echo") {
        for round in 0..10 {
            let (reader, mut writer) = pipe().expect("a pipe");
            // One that cannot be opened once more, as that of another user, unless we are root.
            if round % 2 == 1 && is_read_without_waiting(&reader) {
                fchmod(&reader, Mode::empty()).expect("it is ours");
            }
            let mut all: Vec<_> = (0..6)
                .map(|_| {
                    let mut command = pvhost(&guest, &["--timeout", "60"], &[]);
                    command.stdin(reader.try_clone().expect("a second handle"));
                    Running::start_until(command.stderr(Stdio::null()), "Ctrl-D ends\n")
                })
                .collect();
            for running in &all {
                running.wait_until_asleep();
            }
            writer.write_all(b"x").expect("somebody reads");
            for running in &all {
                running.signal(libc::SIGTERM);
            }
            for running in &mut all {
                let status = running.ends();
                assert_eq!(status.signal(), Some(libc::SIGTERM), "{arch}: {status}");
            }
        }
    }
}

/// A named pipe whose writer is gone before anybody looks has an end, too.
#[test]
fn input_from_a_fifo_ends_with_its_writer() {
    for (arch, guest) in each("echo") {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        let make = Command::new("mkfifo").arg(&fifo).status();
        assert!(make.expect("coreutils are there").success());
        // Without a reader it could not be opened for writing only.
        let open = |write| File::options().read(true).write(write).open(&fifo);
        let mut writer = open(true).expect("a pipe");
        let reader = open(false).expect("a pipe");
        writer.write_all(b"hi\n").expect("a pipe");
        drop(writer);
        let output = pvhost(&guest, &[], &[]).stdin(reader).output();
        let output = output.expect("pvhost starts");
        assert_eq!(output.status.code(), Some(0), "{arch}");
        assert!(text(&output.stdout).contains("hi\necho: 3 bytes"), "{arch}");
    }
}

/// Names the guest in the program that the next test starts: this one, once more.
const STALLED: &str = "PVHOST_TEST_STALLED";

#[test]
fn a_request_to_end_that_another_thread_takes_is_heard_by_a_guest_that_waits_for_its_reader() {
    if let Some(guest) = env::var_os(STALLED) {
        stalled_guest(guest.as_ref());
    }
    for (arch, guest) in each("echo") {
        let name = "console::a_request_to_end_that_another_thread_takes_is_heard_by_a_guest_that_waits_for_its_reader";
        let mut running = Running::start(again(name).env(STALLED, &guest));
        assert_eq!(running.ends().code(), Some(100), "{arch}");
    }
}

/// Runs a guest whose output nobody reads, and asks it to end by a signal to another thread.
fn stalled_guest(guest: &Path) -> ! {
    let (reader, writer) = pipe().expect("a pipe");
    let input = File::open("/dev/zero").expect("there is a /dev/zero");
    thread::spawn(move || {
        wait_for("a full pipe", || ioctl_fionread(&reader).expect("a pipe") >= FULL);
        // SAFETY: no pointers; the signal is this thread's.
        unsafe { libc::raise(libc::SIGTERM) };
        // The pipe stays open.
        loop {
            thread::park();
        }
    });
    let finished = Vm::builder(Image::open(guest).expect("a sound image"))
        .console(Console::new(input, writer))
        .handle_signals(true)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("it runs");
    let by_the_signal = matches!(finished.exit, Exit::Signal(libc::SIGTERM));
    std::process::exit(if by_the_signal { 100 } else { 101 });
}
