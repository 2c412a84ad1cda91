// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example's standard streams where they are full, slow or without a reader.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs::File;
use std::io::{Read, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use paravirt_c_host_tests::{Arch, c_host, guest};

/// The example with that guest, for at most two minutes.
fn host(arch: Arch, name: &str) -> Command {
    let mut command = Command::new("timeout");
    // As its parent, it would be told of the end and not of the signal.
    command
        .args(["--foreground", "120"])
        .arg(c_host(arch, "c-host"))
        .arg(guest(arch, name))
        .stdin(Stdio::null());
    command
}

fn zeros() -> File {
    File::open("/dev/zero").expect("there is a /dev/zero")
}

fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_goes_away_is_the_end_as_of_other_programs() {
    for arch in Arch::ALL {
        for (name, ignored) in [("hello", false), ("echo", false), ("hello", true), ("echo", true)] {
            let mut command = host(arch, name);
            command.stdin(zeros()).stdout(closed_pipe());
            if ignored {
                // SAFETY: one system call, which a forked child may make.
                unsafe {
                    command.pre_exec(|| {
                        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                        Ok(())
                    });
                }
            }
            let output = command.output().expect("coreutils are there");
            let said = String::from_utf8_lossy(&output.stderr);
            let status = output.status;
            if ignored {
                assert_eq!(status.code(), Some(1), "{arch} {name}: {status} {said}");
                let error = "c-host: cannot write the guest's output: Broken pipe\n";
                assert_eq!(said, error, "{arch} {name}");
            } else {
                // `timeout` ends as what it has started.
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                assert_eq!(code, Some(128 + libc::SIGPIPE), "{arch} {name}: {status} {said}");
            }
        }
    }
}

#[test]
fn output_to_a_full_disk_is_an_error_unless_the_guests_end_is_one() {
    for arch in Arch::ALL {
        for (arguments, status) in [(&["nothing"][..], 1), (&["fatal"], 3)] {
            let full = File::options().write(true).open("/dev/full");
            let mut command = host(arch, "fault");
            command.arg("--").args(arguments);
            let output = command.stdout(full.expect("there is a /dev/full")).output();
            let output = output.expect("coreutils are there");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{arch}: {said}");
            let error = "c-host: cannot write the guest's output: No space left on device\n";
            assert!(said.ends_with(error), "{arch}: {said}");
        }
    }
}

/// Somebody who shares them does not want to wait.
#[test]
fn streams_that_do_not_wait_are_waited_for() {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let hurry = |end: &dyn std::os::fd::AsFd| {
        let flags = fcntl_getfl(end.as_fd()).expect("flags");
        fcntl_setfl(end.as_fd(), flags | OFlags::NONBLOCK).expect("flags");
    };
    for arch in Arch::ALL {
        let (input, mut typing) = pipe().expect("a pipe");
        let (mut printed, output) = pipe().expect("a pipe");
        hurry(&input);
        hurry(&output);
        let mut command = host(arch, "echo");
        let mut child = command.stdin(input).stdout(output).spawn();
        let child = child.as_mut().expect("coreutils are there");
        drop(command);
        // The guest is there, and has nothing to read yet.
        let mut text = [0; 4];
        printed.read_exact(&mut text).expect("it prints");
        let size = 300_000;
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            typing.write_all(&vec![b'x'; size])
        });
        let mut rest = Vec::new();
        printed.read_to_end(&mut rest).expect("it prints");
        writer.join().expect("no panic").expect("the guest reads all");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arch}");
        let echoed = rest.iter().filter(|&&byte| byte == b'x').count();
        assert_eq!(echoed, size, "{arch}");
    }
}
