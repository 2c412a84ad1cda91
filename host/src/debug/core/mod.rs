// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cores: a guest as it was left, in an ELF file that debuggers open beside its image (`gdb GUEST CORE`).
//!
//! The layout is that of Linux' cores, which debuggers know: registers of every thread, how the guest ended, where its
//! image was entered, and its memory (System V ABI, Program Loading; Linux, fs/binfmt_elf.c and linux/elfcore.h). The
//! image is in that memory with its build id, by which a core is told from one of another build.

mod elf;
mod file;
mod notes;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;

pub use file::{CoreError, CoreFile};
use paravirt_host_core::fault::Registers;

use super::memory::ReadMemory;
use crate::debug::tasks::{Task, tasks};
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

/// The threads of a guest of that image: that which runs, then RTEMS' other tasks of which registers are known, each
/// with its identifier for a number. Without tasks, or if they are not known, it is that which runs.
#[must_use]
pub fn threads(image: &Image, memory: &dyn ReadMemory, running: Thread) -> Vec<Thread> {
    of_tasks(&tasks(image, memory).unwrap_or_default(), running)
}

fn of_tasks(tasks: &[Task], mut running: Thread) -> Vec<Thread> {
    if let Some(task) = tasks.iter().find(|task| task.is_executing && task.id != 0) {
        running.id = task.id;
    }
    // A guest may have written anything there.
    let mut ids = HashSet::from([0, running.id]);
    let mut threads = vec![running];
    for task in tasks.iter().filter(|task| !task.is_executing) {
        if let Some(registers) = task.registers.filter(|_| ids.insert(task.id)) {
            threads.push(Thread {
                id: task.id,
                registers: registers.into(),
                units: None,
                fs_base: 0,
            });
        }
    }
    threads
}

#[cfg(test)]
mod tests {
    use paravirt_host_core::fault::Registers;

    use super::*;
    use crate::debug::tasks::SavedRegisters;

    fn running() -> Thread {
        Thread {
            id: 1,
            registers: Registers::default(),
            units: None,
            fs_base: 0,
        }
    }

    fn task(id: u32, eip: Option<u32>, is_executing: bool) -> Task {
        let registers = eip.map(|eip| SavedRegisters {
            ebx: 0,
            esi: 0,
            edi: 0,
            ebp: 0,
            esp: 0,
            eip,
            eflags: 0,
        });
        Task {
            id,
            name: String::new(),
            state: String::new(),
            priority: 0,
            registers,
            stack: 0..0,
            is_executing,
        }
    }

    #[test]
    fn a_guest_without_tasks_is_one_thread() {
        assert_eq!(of_tasks(&[], running()), [running()]);
    }

    #[test]
    fn what_runs_comes_first_and_each_number_once() {
        let tasks = [
            task(7, Some(0x70), false),
            task(8, None, false),
            task(9, Some(0x90), true),
            task(7, Some(0x71), false),
            task(0, Some(1), false),
            task(9, Some(0x91), false),
            task(6, Some(0x60), false),
        ];
        let threads = of_tasks(&tasks, running());
        let found: Vec<_> = threads
            .iter()
            .map(|thread| (thread.id, thread.registers.instruction))
            .collect();
        assert_eq!(found, [(9, 0), (7, 0x70), (6, 0x60)]);
    }
}
