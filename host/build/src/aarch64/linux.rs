// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linux for AArch64 in QEMU, with a few programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command;
use crate::emulators;
use crate::workspace::Workspace;

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

/// The first program, which runs the commands, as it comes from the compiler.
fn init() -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("init");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aarch64/init.c");
    let mut compiler = Command::new("aarch64-linux-gnu-gcc");
    compiler.args(["-O1", "-static", "-o"]).args([&program, &source]);
    command::run(&mut compiler)?;
    Ok(fs::read(program)?)
}

/// A root file system with these programs, which lie in its root folder, whose first program runs these commands.
fn root(programs: &[(&str, PathBuf)], commands: &[String]) -> Result<Vec<u8>> {
    let entry = |name, mode, content, device| File {
        name,
        mode,
        content,
        device,
    };
    let script: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let mut files = vec![
        entry("dev", FOLDER, Vec::new(), [0; 2]),
        entry("proc", FOLDER, Vec::new(), [0; 2]),
        entry("sys", FOLDER, Vec::new(), [0; 2]),
        entry("dev/console", DEVICE, Vec::new(), [5, 1]),
        entry("dev/null", DEVICE, Vec::new(), [1, 3]),
        entry("init", PROGRAM, init()?, [0; 2]),
        entry("script", PROGRAM, script.into_bytes(), [0; 2]),
    ];
    for (name, path) in programs {
        let program = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push(entry(name, PROGRAM, program, [0; 2]));
    }
    Ok(archive(&files))
}

/// Runs these commands with these programs, which lie in the root folder, in one start of the kernel; their exit
/// statuses, and what they have printed. `options` are further ones of QEMU's; `limit` is the time for all of it.
///
/// # Errors
/// There is no kernel, QEMU or compiler for the first program, or the kernel does not come to the last command's end.
pub fn run(
    workspace: &Workspace,
    programs: &[(&str, PathBuf)],
    commands: &[String],
    options: &[&str],
    limit: Duration,
) -> Result<Vec<(i32, String)>> {
    let kernel = super::kernel(workspace)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("root");
    fs::write(&file, root(programs, commands)?)?;
    let mut qemu = Command::new(emulators::emulator(emulators::QEMU_ARM));
    qemu.args(["-M", "virt", "-cpu", "cortex-a57", "-m", "512"])
        .args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"])
        .args(["-append", "quiet rdinit=/init"])
        .args(options)
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(&file);
    let output = command::limited(&qemu, limit).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let runs: Option<Vec<_>> = text.split("\n> ").skip(1).map(ended).collect();
    let runs = runs.filter(|runs| runs.len() == commands.len());
    let messages = String::from_utf8_lossy(&output.stderr);
    runs.with_context(|| format!("Linux in QEMU did not end: {}\n{text}{messages}", output.status))
}

/// The exit status of a command, and what it has printed behind its own line.
fn ended(run: &str) -> Option<(i32, String)> {
    let (said, status) = run.split_once("\n= ")?;
    Some((status.lines().next()?.parse().ok()?, said.to_owned()))
}
