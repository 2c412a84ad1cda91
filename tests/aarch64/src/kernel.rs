// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Linux kernel for AArch64 in QEMU, with a few programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

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

/// The first program, which runs the commands.
fn init(folder: &Path) -> Vec<u8> {
    let program = folder.join("init");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/init.c");
    let status = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O1", "-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(status.expect("a compiler").success());
    fs::read(program).expect("a program")
}

/// Runs these commands with these programs, which lie in the root folder, in one start of the kernel; their exit
/// statuses, and what they have printed. `options` are further ones of QEMU's; `limit` is the time for all of it.
///
/// # Panics
/// If there is no kernel, QEMU or compiler for its first program, or the kernel does not come to the last command's
/// end.
#[must_use]
#[track_caller]
pub fn run(programs: &[(&str, PathBuf)], commands: &[String], options: &[&str], limit: Duration) -> Vec<(i32, String)> {
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
    let root = folder.path().join("root");
    fs::write(&root, archive(&files)).expect("a file");
    let output = Command::new("timeout")
        .args(["--kill-after=5", &limit.as_secs().to_string()])
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
        .args(options)
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
