// SPDX-License-Identifier: MIT OR Apache-2.0
//! Machines in QEMU that run to their ends: a PC, and the Xen for it; one with Xen for AArch64.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A processor on which Xen can have domains in hardware containers.
pub const WITH_SVM: &str = "qemu64,+svm,+npt";

/// A PC: one processor, a serial port, a debug console, an exit, and nothing else.
#[derive(Debug)]
pub struct Pc {
    timeout: Command,
    limit: u32,
}

/// What a PC left behind.
#[derive(Debug)]
pub struct Output {
    /// What came over the serial port.
    pub serial: String,
    /// What was written to the debug console.
    pub debug: String,
}

impl Pc {
    /// One with that many MiB of memory, and a processor as QEMU's option `-cpu` takes it, which is stopped after
    /// `limit` seconds.
    ///
    /// # Panics
    /// If there is no QEMU that works.
    #[must_use]
    #[track_caller]
    pub fn new(memory: u32, processor: &str, limit: u32) -> Self {
        let mut timeout = Command::new("timeout");
        timeout
            .arg(limit.to_string())
            .arg(crate::qemu())
            .args(["-M", "pc", "-m", &memory.to_string(), "-cpu", processor])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
            .stdin(Stdio::null());
        Self { timeout, limit }
    }

    /// What its loader loads: a file that is entered by its PVH note, a second one beside it, and the command line.
    #[must_use]
    pub fn boots(mut self, kernel: &Path, beside: Option<&OsStr>, command_line: &str) -> Self {
        self.timeout.arg("-kernel").arg(kernel);
        if let Some(beside) = beside {
            self.timeout.arg("-initrd").arg(beside);
        }
        self.timeout.args(["-append", command_line]);
        self
    }

    /// Its serial port: `stdio` or `none`.
    #[must_use]
    pub fn serial(mut self, serial: &str) -> Self {
        self.timeout.args(["-serial", serial]);
        self
    }

    /// More options of QEMU.
    #[must_use]
    pub fn options(mut self, options: &[&str]) -> Self {
        self.timeout.args(options);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If QEMU does not start, or the machine does not end in time.
    #[must_use]
    pub fn run(mut self) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let debug = folder.path().join("debug");
        let output = self
            .timeout
            .arg("-debugcon")
            .arg(format!("file:{}", debug.display()))
            .output()
            .expect("coreutils are there");
        let left = Output {
            serial: String::from_utf8_lossy(&output.stdout).replace('\r', ""),
            debug: fs::read_to_string(debug).unwrap_or_default(),
        };
        assert_ne!(
            output.status.code(),
            Some(124),
            "no end after {} s: {left:?}",
            self.limit
        );
        left
    }
}

/// Xen as a machine boots it, unpacked into `folder`.
///
/// # Panics
/// If there is none, or it cannot be unpacked.
#[must_use]
#[track_caller]
pub fn unpacked_xen(folder: &Path) -> PathBuf {
    let packed = crate::xen();
    let unpacked = Command::new("gzip")
        .args(["--decompress", "--force", "--stdout"])
        .arg(&packed)
        .output()
        .expect("gzip");
    assert!(unpacked.status.success(), "{} is not what gzip makes", packed.display());
    let xen = folder.join("xen");
    fs::write(&xen, unpacked.stdout).expect("a writable folder");
    xen
}

/// QEMU's machine `virt` for AArch64 with Xen, whose first domain controls it.
#[derive(Debug)]
pub struct Board {
    timeout: Command,
    limit: u32,
}

impl Board {
    /// Where the first domain's kernel is loaded for Xen, and the files that it is given.
    const KERNEL: &str = "0x49000000";
    const FILES: &str = "0x50000000";

    /// One with that many MiB of memory, of which the first domain has `domain`, and that version of the interrupt
    /// controller, which is stopped after `limit` seconds.
    ///
    /// # Panics
    /// If there is no QEMU that works, or no Xen.
    #[must_use]
    #[track_caller]
    pub fn new(memory: u32, domain: u32, gic: u32, limit: u32) -> Self {
        let mut timeout = Command::new("timeout");
        timeout
            .args(["--kill-after=5", &limit.to_string()])
            .arg(crate::qemu_arm())
            .args(["-M", &format!("virt,virtualization=on,gic-version={gic}")])
            .args(["-m", &memory.to_string(), "-cpu", "cortex-a57"])
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
            .arg("-kernel")
            .arg(crate::xen_arm());
        let options =
            format!("console=dtuart dtuart=/pl011@9000000 dom0_mem={domain}M guest_loglvl=all noreboot bootscrub=off");
        timeout.args(["-append", &options]);
        Self { timeout, limit }
    }

    /// The first domain's kernel, and its command line, which is not empty: Xen would take its own options for it.
    #[must_use]
    pub fn boots(mut self, kernel: &Path, command_line: &str) -> Self {
        let kernel = kernel.display();
        let loader = format!(
            "guest-loader,addr={},kernel={kernel},bootargs={command_line}",
            Self::KERNEL
        );
        self.timeout.args(["-device", &loader]);
        self
    }

    /// The archive of its first files.
    #[must_use]
    pub fn with_files(mut self, archive: &Path) -> Self {
        let loader = format!("guest-loader,addr={},initrd={}", Self::FILES, archive.display());
        self.timeout.args(["-device", &loader]);
        self
    }

    /// Runs it to its end, and has `typed` come over the serial port once `until` has; what came over it, of Xen, too.
    ///
    /// # Panics
    /// If QEMU does not start, or the machine does not end in time.
    #[must_use]
    pub fn run(mut self, until: &str, typed: &[u8]) -> String {
        let mut qemu = self
            .timeout
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("coreutils are there");
        let mut output = qemu.stdout.take().expect("a pipe");
        let mut input = qemu.stdin.take();
        let mut serial = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = output.read(&mut piece).expect("a pipe");
            if count == 0 {
                break;
            }
            serial.extend(&piece[..count]);
            let is_due = input.is_some() && String::from_utf8_lossy(&serial).contains(until);
            if is_due && let Some(mut input) = input.take() {
                // If the machine has ended meanwhile, its output tells.
                let _ = input.write_all(typed);
            }
        }
        let status = qemu.wait().expect("it was started");
        let serial = String::from_utf8_lossy(&serial).replace('\r', "");
        assert_ne!(status.code(), Some(124), "no end after {} s:\n{serial}", self.limit);
        serial
    }
}
