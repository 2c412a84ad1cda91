// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a guest on a PC that QEMU emulates, without a hypervisor.
//!
//! The guests come from `cargo xtask guests`; `PARAVIRT_GUESTS` names their folder, `target/guests` by default.

use std::fs;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection, ObjectSymbol};

pub use test_support::Arch;
use test_support::machine;

/// Time after which a run is stopped, in seconds.
const LIMIT: u32 = 60;

/// A guest on a PC.
#[derive(Debug)]
pub struct Pc {
    guest: PathBuf,
    command_line: String,
    processor: &'static str,
    serial: &'static str,
    options: Vec<&'static str>,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// What the guest wrote to the serial port.
    pub serial: String,
    /// What it wrote to QEMU's debug console.
    pub debug: String,
}

impl Pc {
    /// A PC for the guest of that name.
    ///
    /// # Panics
    /// If the guest was not built, has a red zone, or there is no QEMU.
    #[must_use]
    pub fn new(arch: Arch, name: &str) -> Self {
        Self::of_file(&test_support::ring0_guest(arch, name))
    }

    /// A PC for that image.
    ///
    /// # Panics
    /// If there is no QEMU.
    #[must_use]
    pub fn of_file(guest: &Path) -> Self {
        Self {
            guest: guest.to_owned(),
            command_line: String::new(),
            processor: "qemu64",
            serial: "stdio",
            options: Vec::new(),
        }
    }

    /// The guest's command line.
    #[must_use]
    pub fn command_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.command_line);
        self
    }

    /// Another processor than `qemu64`, as QEMU's option `-cpu` takes it.
    #[must_use]
    pub fn processor(mut self, processor: &'static str) -> Self {
        self.processor = processor;
        self
    }

    /// No serial port.
    #[must_use]
    pub fn without_serial_port(mut self) -> Self {
        self.serial = "none";
        self
    }

    /// Time passes with instructions, 16 ns for each.
    #[must_use]
    pub fn counting_instructions(mut self) -> Self {
        self.options.extend(["-icount", "shift=4,sleep=off"]);
        self
    }

    /// Runs the guest to its end.
    ///
    /// # Panics
    /// If QEMU cannot be started, or the guest does not end in time.
    #[must_use]
    pub fn run(&self) -> Outcome {
        machine::Pc::new(64, self.processor, LIMIT)
            .boots(&self.guest, None, &self.command_line)
            .serial(self.serial)
            .options(&self.options)
            .run()
            .into()
    }
}

impl From<machine::Output> for Outcome {
    fn from(left: machine::Output) -> Self {
        Self {
            serial: left.serial,
            debug: left.debug,
        }
    }
}

impl Outcome {
    /// The record of the shutdown: what follows `paravirt: shutdown `.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn record(&self) -> &str {
        let mut records = self
            .debug
            .lines()
            .filter_map(|line| line.strip_prefix("paravirt: shutdown "));
        match (records.next(), records.next()) {
            (Some(record), None) => record,
            _ => panic!("not one record: {self:?}"),
        }
    }

    /// Checks the record, and that `text` stands on the serial port, where it is on the debug console as well if
    /// `early`.
    ///
    /// # Panics
    /// If not.
    pub fn expect(&self, record: &str, text: &str, early: bool) {
        assert!(self.serial.contains(text), "no {text:?} in {self:?}");
        assert_eq!(self.debug.contains(text), early, "{text:?} in {self:?}");
        assert_eq!(self.record(), record, "{self:?}");
    }
}

/// A copy of `guest` in `folder` whose PVH note points to the symbol `entry`.
///
/// # Panics
/// If the guest has no such note or symbol.
#[must_use]
pub fn enter_at(guest: &Path, entry: &str, folder: &Path) -> PathBuf {
    let mut content = fs::read(guest).expect("a readable guest");
    let (at, address) = {
        let file = object::File::parse(&*content).expect("an ELF file");
        let note = file.section_by_name(".note.Xen").expect("the PVH note");
        let symbol = file
            .symbols()
            .find(|symbol| symbol.name() == Ok(entry))
            .expect("the entry");
        let (offset, _) = note.file_range().expect("a note has content");
        (offset as usize + 16, symbol.address() as u32) // behind three words and the owner
    };
    content[at..at + 4].copy_from_slice(&address.to_le_bytes());
    let path = folder.join("guest");
    fs::write(&path, content).expect("a writable folder");
    path
}

impl Pc {
    /// The same guest, entered at the symbol `entry`; the copy lies in `folder`.
    #[must_use]
    pub fn entered_at(mut self, entry: &str, folder: &Path) -> Self {
        self.guest = enter_at(&self.guest, entry, folder);
        self
    }
}
