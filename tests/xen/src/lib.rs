// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a guest as the first domain of a real Xen, which QEMU runs; in [`arm`] for AArch64.
//!
//! The guests come from `cargo xtask guests`; `PARAVIRT_GUESTS` names their folder, `target/guests` by default. Xen is
//! the file that `PVHOST_XEN` names, or the one that set-up has unpacked.

use std::fs;
use std::path::PathBuf;

use object::{Object, ObjectSection, ObjectSymbol};
use tempfile::TempDir;
use test_support::Arch;
use test_support::machine::{Pc, WITH_SVM, unpacked_xen};

pub mod arm;
pub mod unprivileged;

/// Time after which a run is stopped, in seconds.
const LIMIT: u32 = 60;

/// Kinds of domains, with the architecture of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Paravirtualized, x86-64.
    Pv,
    /// In a hardware container, x86-64.
    Pvh,
    /// In a hardware container, i386.
    Pvh32,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pv, Self::Pvh, Self::Pvh32];

    /// Its name, for the guests' command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh | Self::Pvh32 => "pvh",
        }
    }

    const fn architecture(self) -> Arch {
        match self {
            Self::Pv | Self::Pvh => Arch::X86_64,
            Self::Pvh32 => Arch::I386,
        }
    }
}

/// A domain to be.
#[derive(Debug)]
pub struct Domain {
    kind: Kind,
    image: Vec<u8>,
    xen: PathBuf,
    command_line: String,
    processor: &'static str,
    folder: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// What the guest wrote to its console, to Xen's and to the debug console, without Xen's own lines.
    pub printed: String,
    /// What Xen said.
    pub xen: String,
    /// Reason and code of the shutdown; empty if there was no record.
    pub record: String,
}

impl Domain {
    /// A domain of the guest of that name.
    ///
    /// # Panics
    /// If the guest was not built, has a red zone, or there is no Xen or QEMU.
    #[must_use]
    pub fn new(kind: Kind, guest: &str) -> Self {
        let guest = test_support::ring0_guest(kind.architecture(), guest);
        let folder = tempfile::tempdir().expect("a folder");
        let xen = unpacked_xen(folder.path());
        Self {
            kind,
            image: fs::read(&guest).expect("a readable guest"),
            xen,
            command_line: String::new(),
            processor: match kind {
                Kind::Pv => "qemu64",
                Kind::Pvh | Kind::Pvh32 => WITH_SVM,
            },
            folder,
        }
    }

    /// Another processor, as QEMU's option `-cpu` takes it.
    #[must_use]
    pub fn processor(mut self, processor: &'static str) -> Self {
        self.processor = processor;
        self
    }

    /// The guest's command line.
    #[must_use]
    pub fn command_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.command_line);
        self
    }

    /// Enters the guest, as a PV domain, at the symbol `entry`.
    ///
    /// # Panics
    /// If it has no such symbol, or no note for the entry point.
    #[must_use]
    pub fn entered_at(mut self, entry: &str) -> Self {
        /// Length of owner and descriptor, type `XEN_ELFNOTE_ENTRY`, owner.
        const NOTE: &[u8] = b"\x04\0\0\0\x08\0\0\0\x01\0\0\0Xen\0";
        let (section, address) = {
            let file = object::File::parse(&*self.image).expect("an ELF file");
            let section = file.section_by_name(".note.Xen").expect("Xen's notes");
            let range = section.file_range().expect("notes have content");
            (range, symbol(&file, entry))
        };
        let start = section.0 as usize;
        let notes = &self.image[start..start + section.1 as usize];
        let at = find(notes, NOTE).expect("the note of the PV entry point") + start + NOTE.len();
        self.image[at..at + 8].copy_from_slice(&address.to_le_bytes());
        self
    }

    /// Has the hypercall `number` give `answer` and do nothing. With `command`, only if that is its first argument.
    ///
    /// # Panics
    /// If the code that makes hypercalls is not as this function knows it.
    #[must_use]
    pub fn answering(mut self, number: u8, command: Option<u8>, answer: i32) -> Self {
        let name = match self.kind {
            Kind::Pv => "__paravirt_xen_syscall",
            Kind::Pvh | Kind::Pvh32 => "__paravirt_xen_vmmcall",
        };
        let at = {
            let file = object::File::parse(&*self.image).expect("an ELF file");
            let address = symbol(&file, name);
            let text = file
                .sections()
                .find(|section| (section.address()..section.address() + section.size()).contains(&address))
                .expect("code lies in a section");
            let (offset, _) = text.file_range().expect("code has content");
            (offset + address - text.address()) as usize
        };
        let length = if self.kind == Kind::Pv { 3 } else { 4 };
        let call = self.image[at..at + length].to_vec();
        assert_eq!(call.last(), Some(&0xc3), "an instruction and ret");

        let mut answered = vec![0xb8]; // mov $answer, %eax
        answered.extend(answer.to_le_bytes());
        if self.kind != Kind::Pvh32 {
            answered.extend([0x48, 0x98]); // cltq
        }
        answered.push(0xc3); // ret
        let mut code = Vec::new();
        if let Some(command) = command {
            let register = if self.kind == Kind::Pvh32 { 0xfb } else { 0xff };
            code.extend([0x83, register, command]); // cmp $command, %ebx or %edi
            code.extend([0x75, 5 + answered.len() as u8]); // jne to the call
        }
        code.extend([0x83, 0xf8, number]); // cmp $number, %eax
        code.extend([0x75, answered.len() as u8]); // jne to the call
        code.extend(answered);
        code.extend(call);
        assert!(code.len() <= 32, "more code than there is room for");
        self.image[at..at + code.len()].copy_from_slice(&code);
        self
    }

    /// Runs the guest to its end.
    ///
    /// # Panics
    /// If QEMU cannot be started, or the guest does not end in time.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let guest = self.folder.path().join("guest");
        fs::write(&guest, &self.image).expect("a writable folder");
        let mode = match self.kind {
            Kind::Pv => "",
            Kind::Pvh | Kind::Pvh32 => "dom0=pvh dom0-iommu=none",
        };
        // Xen keeps the debug console's port of a PVH domain to itself, and shows its lines.
        let command_line = format!("console=com1 guest_loglvl=all dom0_mem=48M {mode}");
        let module = format!("{} {}", guest.display(), self.command_line);
        let left = Pc::new(192, self.processor, LIMIT)
            .boots(&self.xen, Some(module.as_ref()), &command_line)
            .serial("stdio")
            .run();
        Outcome::of(&left.serial, &left.debug)
    }
}

impl Outcome {
    /// Sorts the lines of the serial port and of the debug console.
    fn of(serial: &str, debug: &str) -> Self {
        let mut outcome = Self {
            printed: String::new(),
            xen: String::new(),
            record: String::new(),
        };
        for line in serial.lines().chain(debug.lines()) {
            let line = line.strip_prefix("(d0) ").unwrap_or(line);
            if let Some(record) = line.strip_prefix("paravirt: shutdown ") {
                assert_eq!(outcome.record, "", "two records: {serial}{debug}");
                record.clone_into(&mut outcome.record);
            } else if line.starts_with("(XEN) ") {
                outcome.xen += line;
                outcome.xen += "\n";
            } else {
                outcome.printed += line;
                outcome.printed += "\n";
            }
        }
        outcome
    }

    /// Checks the record and that the guest printed `text`.
    ///
    /// # Panics
    /// If not.
    pub fn expect(&self, record: &str, text: &str) {
        assert!(self.printed.contains(text), "no {text:?} in {self:?}");
        assert_eq!(self.record, record, "{self:?}");
    }
}

fn symbol(file: &object::File<'_>, name: &str) -> u64 {
    file.symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .unwrap_or_else(|| panic!("no symbol {name}"))
        .address()
}

fn find(content: &[u8], what: &[u8]) -> Option<usize> {
    content.windows(what.len()).position(|window| window == what)
}
