// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process host on a Linux kernel for AArch64, which QEMU runs: with seccomp, and with its clock.

use std::fs;
use std::path::Path;
use std::process::Command;

use paravirt_aarch64_tests::{Arch, CALLERS, FAULTS, expect, guest, has_in_order, program};
use paravirt_build::aarch64;
use test_support::Tool;

/// A file of a root file system.
struct File<'a> {
    name: &'a str,
    mode: u32,
    content: Vec<u8>,
    /// Numbers of the device that it is.
    device: [u32; 2],
}

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;

/// A root file system as the kernel takes it: cpio's format `newc` (Linux,
/// driver-api/early-userspace/buffer-format.rst).
fn archive(files: &[File<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    let pad = |archive: &mut Vec<u8>| archive.resize(archive.len().next_multiple_of(4), 0);
    let trailer = File {
        name: "TRAILER!!!",
        mode: 0,
        content: Vec::new(),
        device: [0; 2],
    };
    for (inode, file) in (1_u32..).zip(files.iter().chain([&trailer])) {
        let [major, minor] = file.device;
        let (size, name) = (file.content.len() as u32, file.name.len() as u32 + 1);
        archive.extend(b"070701");
        for number in [inode, file.mode, 0, 0, 1, 0, size, 0, 0, major, minor, name, 0] {
            archive.extend(format!("{number:08x}").bytes());
        }
        archive.extend(file.name.bytes());
        archive.push(0);
        pad(&mut archive);
        archive.extend(&file.content);
        pad(&mut archive);
    }
    archive
}

/// The first program.
fn init(folder: &Path) -> Vec<u8> {
    let program = folder.join("init");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/init.c");
    let status = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O1", "-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(status.expect("a compiler").success());
    fs::read(program).expect("a program")
}

/// Runs these commands, in one start of the kernel; their exit statuses, and what they have printed.
#[track_caller]
fn run(commands: &[String]) -> Vec<(i32, String)> {
    test_support::tool(Tool::LinuxAarch64);
    let qemu = test_support::qemu_arm();
    let kernel = aarch64::kernel(&test_support::workspace()).expect("a kernel");
    let folder = tempfile::tempdir().expect("a folder");
    let entry = |name, mode, content, device| File {
        name,
        mode,
        content,
        device,
    };
    let of_file = |name, path: &Path| entry(name, PROGRAM, fs::read(path).expect("a program"), [0; 2]);
    let programs = ["pvhost", "own-host"].map(|name| (name, program(name)));
    let guests = ["hello", "conformance", "el1", "own-function"];
    let script: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let mut files = vec![
        entry("dev", FOLDER, Vec::new(), [0; 2]),
        entry("proc", FOLDER, Vec::new(), [0; 2]),
        entry("sys", FOLDER, Vec::new(), [0; 2]),
        entry("dev/console", DEVICE, Vec::new(), [5, 1]),
        entry("dev/null", DEVICE, Vec::new(), [1, 3]),
        entry("init", PROGRAM, init(folder.path()), [0; 2]),
        entry("script", PROGRAM, script.into_bytes(), [0; 2]),
    ];
    files.extend(programs.iter().map(|(name, path)| of_file(name, path)));
    files.extend(guests.map(|name| of_file(name, &guest(Arch::Aarch64, name))));
    let root = folder.path().join("root");
    fs::write(&root, archive(&files)).expect("a file");
    let output = Command::new("timeout")
        .args(["--kill-after=5", "240"])
        .arg(qemu)
        .args([
            "-M",
            "virt",
            "-cpu",
            "cortex-a57",
            "-m",
            "512",
            "-nodefaults",
            "-no-reboot",
        ])
        .args(["-display", "none", "-serial", "stdio", "-append", "quiet rdinit=/init"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(root)
        .output()
        .expect("timeout starts");
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let runs: Vec<_> = text.split("\n> ").skip(1).collect();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(runs.len(), commands.len(), "{text}\n{messages}");
    let status = |run: &str| {
        let (said, status) = run.split_once("\n= ").unwrap_or_else(|| panic!("no status:\n{run}"));
        let status = status.lines().next().and_then(|status| status.parse().ok());
        (status.expect("a status"), said.to_owned())
    };
    runs.into_iter().map(status).collect()
}

#[test]
fn guests_run_confined() {
    let all = run(&[
        "/pvhost run --stats /hello".to_owned(),
        "/pvhost run --stats /conformance -- all --late-ms 500".to_owned(),
        "/pvhost run /el1 -- syscall".to_owned(),
        "/pvhost run --timeout 2 /el1 -- spin".to_owned(),
        "/pvhost run --timeout 2 /el1 -- hang".to_owned(),
        "/own-host /own-function".to_owned(),
    ]);
    let [hello, conformance, call, spin, hang, own] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(hello.0, 0, "{}", hello.1);
    expect(
        &hello.1,
        &[
            "Hello from a paravirtualized guest",
            "sandbox                        filter",
        ],
    );
    assert_eq!(conformance.0, 0, "{}", conformance.1);
    expect(&conformance.1, &[" 0 failed", "sandbox                        filter"]);
    // The page's clock is kept, so that the guest has hardly asked.
    let asked = conformance
        .1
        .lines()
        .find_map(|line| line.strip_prefix("pv_clock_now "));
    let asked: u32 = asked.and_then(|count| count.trim().parse().ok()).expect("a count");
    assert!(asked < 100_000, "{}", conformance.1);
    assert_eq!(call.0, 5, "{}", call.1);
    expect(
        &call.1,
        &["system call 172 (aarch64) by guest code", "x20 0x123456789abcdef0"],
    );
    for limited in [spin, hang] {
        assert_eq!(limited.0, 124, "{}", limited.1);
    }
    // It is a program with other signals, which QEMU's emulation of programs does not have, and functions with floats.
    assert_eq!(own.0, 0, "{}", own.1);
    expect(
        &own.1,
        &[
            "board: demonstration board",
            "sensor 1: 48.062 C",
            "mean of 1 and 2: 1.5",
        ],
    );
}

#[test]
fn faults_and_panics_are_reported_with_callers_and_source_lines() {
    let commands = CALLERS.map(|(what, ..)| format!("/pvhost run /el1 -- {what}"));
    for ((what, ends_with, parts), (status, text)) in CALLERS.into_iter().zip(run(&commands)) {
        assert_eq!(status, ends_with, "{what}: {text}");
        has_in_order(&text, parts);
    }
}

#[test]
fn faults_are_reported_with_all_registers() {
    let commands = FAULTS.map(|(what, _)| format!("/pvhost run /el1 -- {what}"));
    for ((what, parts), (status, text)) in FAULTS.into_iter().zip(run(&commands)) {
        assert_eq!(status, 5, "{what}: {text}");
        expect(&text, parts);
    }
}
