// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cores: a guest as it was left, in an ELF file that debuggers open beside its image (`gdb GUEST CORE`).
//!
//! The layout is that of Linux' cores, which debuggers know: registers of every thread, how the guest ended, where its
//! image was entered, and its memory (System V ABI, Program Loading; Linux, fs/binfmt_elf.c and linux/elfcore.h). The
//! image is in that memory with its build id, by which a core is told from one of another build.

mod elf;
mod file;
mod notes;
mod threads;

use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;

pub use file::{CoreError, CoreFile};
use paravirt_host_core::fault::Registers;
pub use threads::threads;

use super::memory::ReadMemory;
use crate::image::{Access, Image};

/// A guest as it was left.
#[derive(Debug)]
pub struct Core<'a> {
    /// The image that it was made of.
    pub image: &'a Image,
    /// Its command line.
    pub command_line: &'a str,
    /// Its threads, that which ran first; at least one.
    pub threads: Vec<Thread>,
    /// Its memory, sorted by address, without overlap.
    pub areas: Vec<Area>,
    /// How it ended.
    pub ending: Ending,
}

/// A thread of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number, as debuggers show it; not 0, and no other thread's.
    pub id: u32,
    /// Its registers.
    pub registers: Registers,
    /// State of the x87 unit and SSE as FXSAVE stores it, if it is known.
    pub units: Option<[u8; 512]>,
    /// Its thread pointer, the base of fs, of a guest for x86-64; 0 if it has none.
    pub fs_base: u64,
}

/// A piece of memory.
#[derive(Clone, Debug)]
pub struct Area {
    /// Its addresses, multiples of the page size.
    pub range: Range<u64>,
    /// The guest's rights.
    pub access: Access,
}

/// How a guest ended, in the words of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The signal that stands for it.
    pub signal: i32,
    /// Why (`si_code`); 0: it was sent.
    pub code: i32,
    /// The address that it is about, if there is one.
    pub address: u64,
}

impl Ending {
    /// By that signal.
    #[must_use]
    pub const fn by(signal: i32) -> Self {
        let (code, address) = (0, 0);
        Self { signal, code, address }
    }
}

impl Core<'_> {
    /// The guest's name.
    fn program(&self) -> &str {
        let name = Path::new(self.image.name()).file_name();
        name.and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Writes it to that file, with what the guest's memory holds.
    ///
    /// # Errors
    /// The file cannot be written. Then there is none, or what was there before.
    pub fn write(&self, memory: &(impl ReadMemory + ?Sized), file: CoreFile) -> Result<(), CoreError> {
        file.write(|file| elf::write(self, memory, file))
    }
}
