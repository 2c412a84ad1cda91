// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console on anything that standard input and output can be, but terminals.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::guests::{each, pvhost, text};

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
        writer
            .join()
            .expect("no panic")
            .expect("the guest reads all");
        assert_eq!(output.status.code(), Some(0), "{arch}");
        let found = output
            .stdout
            .windows(text.len())
            .any(|window| window == text);
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
            let output = pvhost(&guest, &[], &[])
                .stdin(input)
                .output()
                .expect("pvhost starts");
            assert_eq!(output.status.code(), Some(0), "{arch}");
            let stdout = text(&output.stdout);
            assert!(
                stdout.contains(&format!("{bytes} bytes")),
                "{arch}: {stdout}"
            );
        }
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec \"$0\" run --timeout 60 \"$1\" <&-"]);
        let output = shell
            .args([env!("CARGO_BIN_EXE_pvhost").as_ref(), guest.as_os_str()])
            .output()
            .expect("sh starts");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arch}: {}",
            text(&output.stderr)
        );
        assert!(text(&output.stdout).contains("0 bytes"), "{arch}");
    }
}

/// The guest is told that the device failed; this one takes no notice.
#[test]
fn output_to_nobody_is_no_end() {
    for (arch, guest) in each("hello") {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = pvhost(&guest, &["--json"], &[])
            .stdout(writer)
            .output()
            .expect("pvhost starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arch}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arch}: {stderr}");
        assert!(
            stderr.contains(r#""end":"exit","code":0"#),
            "{arch}: {stderr}"
        );
    }
}

#[test]
fn a_full_pipe_blocks_the_guest_but_not_its_end() {
    for (arch, guest) in each("echo") {
        // Nobody reads the output, so the guest hangs in a write until its time is over.
        let mut child = pvhost(&guest, &["--timeout", "1"], &[])
            .stdin(File::open("/dev/zero").expect("there is a /dev/zero"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvhost starts");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(124), "{arch}");
    }
}
