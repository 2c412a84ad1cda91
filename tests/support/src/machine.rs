// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PC in QEMU that runs to its end, and the Xen for it.

use std::ffi::OsStr;
use std::fs;
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
