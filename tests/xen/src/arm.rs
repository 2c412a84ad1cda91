// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same on AArch64, where Xen puts that domain anywhere in memory.

use std::fs;
use std::path::Path;

use pvhost::emulator;
use pvhost::image::Image;
use tempfile::TempDir;
use test_support::Arch;
use test_support::machine::Board;

/// Time after which a run is stopped, in seconds.
const LIMIT: u32 = 60;
/// Memory of the machine and of the domain, in MiB.
const MEMORY: [u32; 2] = [512, 64];
/// Xen's last line before the guest's first.
const STARTED: &str = "init memory.\n";

/// A domain to be.
#[derive(Debug)]
pub struct Domain {
    kernel: Vec<u8>,
    command_line: String,
    gic: u32,
    input: (String, Vec<u8>),
    folder: TempDir,
}

/// A guest for AArch64 in the form that Xen and its tools take.
///
/// # Panics
/// If it was not built, or is none for Xen.
#[must_use]
#[track_caller]
pub fn kernel(guest: &str) -> Vec<u8> {
    let guest = test_support::guest(Arch::Aarch64, guest);
    let content = fs::read(&guest).expect("a readable guest");
    let image = Image::parse(guest.display().to_string(), content).expect("a guest");
    emulator::kernel_image(&image).expect("a guest for Xen")
}

impl Domain {
    /// A domain of the guest of that name, with that version of the interrupt controller.
    ///
    /// # Panics
    /// If the guest was not built.
    #[must_use]
    #[track_caller]
    pub fn new(guest: &str, gic: u32) -> Self {
        Self {
            kernel: kernel(guest),
            command_line: "none".to_owned(),
            gic,
            input: (STARTED.to_owned(), Vec::new()),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The guest's command line, which is not empty.
    #[must_use]
    pub fn command_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.command_line);
        self
    }

    /// What is typed once the guest has printed `until`.
    #[must_use]
    pub fn typed(mut self, until: &str, input: &[u8]) -> Self {
        self.input = (until.to_owned(), input.to_owned());
        self
    }

    /// Has the image's header ask for another place, `offset` bytes behind where memory begins.
    #[must_use]
    pub fn asking_for(mut self, offset: u64) -> Self {
        self.kernel[8..16].copy_from_slice(&offset.to_le_bytes());
        self
    }

    /// Runs the guest to its end: what it printed, and how Xen says that it ended.
    ///
    /// # Panics
    /// If QEMU cannot be started, or the guest does not start, or not end in time.
    #[must_use]
    pub fn run(&self) -> (String, String) {
        let kernel = self.folder.path().join("kernel");
        write(&kernel, &self.kernel);
        let (until, input) = &self.input;
        let serial = Board::new(MEMORY[0], MEMORY[1], self.gic, LIMIT)
            .boots(&kernel, &self.command_line)
            .run(until, input);
        let (_, printed) = (serial.split_once(STARTED)).unwrap_or_else(|| panic!("no start:\n{serial}"));
        let (printed, end) = printed
            .split_once("(XEN) Hardware Dom0 ")
            .unwrap_or_else(|| panic!("no end:\n{serial}"));
        let end = end.split(':').next().unwrap_or_default();
        (printed.to_owned(), end.to_owned())
    }
}

fn write(file: &Path, content: &[u8]) {
    fs::write(file, content).expect("a writable folder");
}
