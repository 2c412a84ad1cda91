// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard streams that are full, slow or have no reader, with every command that prints.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use pvhost::image::Machine;

use crate::program::Folder;

/// Commands that print something.
const COMMANDS: [&str; 7] = [
    "list guest",
    "list guest --json",
    "header guest",
    "check guest --provides functions",
    "audit leftovers",
    "--help",
    "--version",
];

/// Commands that say something on standard error, and their status.
const REFUSALS: [(&str, i32); 4] = [
    ("list absent", 1),
    ("header guest -o absent/header.h", 1),
    ("check guest", 2),
    ("frobnicate", 2),
];

fn folder() -> Folder {
    let folder = Folder::new();
    let header = folder.run("header guest --format json");
    folder.write("functions", header.stdout);
    folder.write("leftovers", crate::audit::guest(Machine::I386).build());
    folder
}

fn command(folder: &Folder, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    command
        .current_dir(folder.path())
        .args(arguments.split(' '))
        .stdin(Stdio::null());
    command
}

fn full() -> File {
    let file = OpenOptions::new().write(true).open("/dev/full");
    file.expect("there is a /dev/full")
}

/// The writing end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn output_to_a_full_disk_is_an_error_that_is_told() {
    let folder = folder();
    for arguments in COMMANDS {
        let output = command(&folder, arguments).stdout(full()).output();
        let output = output.expect("pvhost");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        let error = "pvhost: error: cannot write standard output: No space left";
        assert!(said.starts_with(error), "{arguments}: {said}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_as_it_ends_others() {
    let folder = folder();
    for arguments in COMMANDS {
        let output = command(&folder, arguments).stdout(closed_pipe()).output();
        let output = output.expect("pvhost");
        let status = output.status;
        assert_eq!(status.signal(), Some(libc::SIGPIPE), "{arguments}: {status}");
        assert_eq!(output.stderr, b"", "{arguments}");
        // Who has that signal ignored is told by a message, as by other programs.
        let mut ignoring = command(&folder, arguments);
        // SAFETY: one system call, which a forked child may make.
        unsafe {
            ignoring.pre_exec(|| {
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                Ok(())
            });
        }
        let output = ignoring.stdout(closed_pipe()).output().expect("pvhost");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        let error = "pvhost: error: cannot write standard output: Broken pipe";
        assert!(said.starts_with(error), "{arguments}: {said}");
    }
}

#[test]
fn a_message_that_nobody_hears_changes_no_status() {
    let folder = folder();
    for (arguments, status) in REFUSALS {
        for stderr in [Stdio::from(full()), closed_pipe()] {
            let ended = command(&folder, arguments).stderr(stderr).status();
            assert_eq!(ended.expect("pvhost").code(), Some(status), "{arguments}");
        }
        let mut closed = command(&folder, arguments);
        // SAFETY: one system call, which a forked child may make.
        unsafe {
            closed.pre_exec(|| {
                libc::close(2);
                Ok(())
            });
        }
        let ended = closed.status().expect("pvhost");
        assert_eq!(ended.code(), Some(status), "{arguments}");
    }
    // Neither does a result that is written to nobody, and cannot be told of.
    for arguments in COMMANDS {
        let mut command = command(&folder, arguments);
        let ended = command.stdout(full()).stderr(full()).status();
        assert_eq!(ended.expect("pvhost").code(), Some(1), "{arguments}");
    }
}

/// Waits until it sleeps for want of room, or has ended.
fn settle(child: &Child) {
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a process");
        // Behind the name, which is in parentheses.
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    while !matches!(state(), Some('S' | 'Z')) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Somebody who shares the pipe does not want to wait for its reader; we do.
#[test]
fn output_to_a_slow_reader_is_whole() {
    let folder = folder();
    for arguments in (COMMANDS.into_iter()).chain(["header guest -o /dev/stdout"]) {
        let (mut reader, writer) = pipe().expect("a pipe");
        let flags = fcntl_getfl(&writer).expect("flags");
        fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("flags");
        let full = vec![b'x'; 1 << 20];
        let fills = rustix::io::write(&writer, &full).expect("a pipe");
        let expected = command(&folder, arguments).output().expect("pvhost");
        let child = command(&folder, arguments).stdout(writer).spawn();
        let mut child = child.expect("pvhost");
        settle(&child);
        let mut printed = Vec::new();
        reader.read_to_end(&mut printed).expect("a pipe");
        let status = child.wait().expect("a child");
        assert_eq!(status, expected.status, "{arguments}");
        assert!(printed[fills..] == expected.stdout, "{arguments}");
    }
}

/// Each of its messages would get some time of its own to be read in, were it the only one.
#[test]
fn many_messages_that_nobody_reads_keep_no_run_beyond_its_time() {
    let folder = folder();
    let names: Vec<_> = (0..50).map(|index| format!("absent{index}")).collect();
    let guest = crate::limits::functions(&names, names.len());
    folder.write("greedy", guest.build());
    let (_reader, writer) = pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("flags");
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    let start = Instant::now();
    let arguments = "run --timeout 1 --compat l4rtems greedy";
    let ended = command(&folder, arguments).stderr(writer).status();
    // The guest runs into what is no code.
    assert_eq!(ended.expect("pvhost").code(), Some(5));
    // 200 ms each would be as much.
    assert!(start.elapsed() < Duration::from_secs(10));
}
