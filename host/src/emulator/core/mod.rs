// SPDX-License-Identifier: MIT OR Apache-2.0
//! A core of a guest in QEMU, of which the machine is asked: its registers and its memory.
//!
//! A guest ends by a line on the debug console and a write to port 0xf4. For a core there is a device at that port that
//! does not end QEMU: what the guest has then called waits, and the machine is looked at by QEMU's own protocol and
//! ended from here. So is a machine that was reset or switched off, as by a fault in a fault handler. Memory is read by
//! the addresses of what the processor executes, which QEMU translates as the processor would; but not through the
//! tables of a hypervisor that has the processor's help for guests, so that there is no core of a PVH domain.

mod qmp;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use paravirt_host_core::fault::Registers;
use paravirt_host_core::memory::PAGE;
use rustix::fs::{MemfdFlags, memfd_create};

use self::qmp::Qmp;
use super::arguments::inherited;
use super::{MachineEnd, VirtualMachine};
use crate::debug::core::{Area, Core, CoreError, CoreFile, Ending, Thread, threads};
use crate::debug::memory::ReadMemory;
use crate::image::{Access, Image};

/// The number of the one thread of a guest without tasks.
const THREAD: u32 = 1;
/// Bytes of memory that QEMU is asked for at a time.
const WINDOW: u64 = 1 << 20;
/// How far apart addresses are that are tried, of memory of which only the first part may be there. Xen gives a
/// paravirtualized domain its memory at first in pieces of at least 4 MiB.
const STEP: u64 = 1 << 20;
/// How often the machine is stopped until the guest is found at work, and not its hypervisor.
const TRIES: u32 = 50;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(7);

/// What a core of a machine in QEMU takes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) file: CoreFile,
    qmp: Qmp,
    /// The end of it that QEMU has.
    far: Option<OwnedFd>,
    /// Through it comes the memory.
    memory: OwnedFd,
    machine: VirtualMachine,
    /// The guest's memory, from address 0 on, in bytes.
    size: u64,
    command_line: String,
}

impl Plan {
    /// For a machine with a guest of so much memory.
    pub(super) fn new(file: CoreFile, machine: VirtualMachine, size: u64, command_line: String) -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        Ok(Self {
            file,
            qmp: Qmp::new(near)?,
            far: Some(far.into()),
            memory: memfd_create("paravirt-memory", MemfdFlags::CLOEXEC)?,
            machine,
            size,
            command_line,
        })
    }

    /// QEMU's options, none with a blank: a device in place of the one that ends QEMU, and that a machine stands which
    /// ends otherwise.
    pub(super) fn arguments(&self) -> String {
        let far = self.far.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        format!(
            "-chardev socket,id=paravirt-core,fd={far} -mon chardev=paravirt-core,mode=control \
             -chardev null,id=paravirt-end -device isa-debugcon,iobase=0xf4,chardev=paravirt-end -no-shutdown"
        )
    }

    /// Files that QEMU inherits.
    pub(super) fn files(&self) -> impl Iterator<Item = &OwnedFd> {
        [&self.memory].into_iter().chain(&self.far)
    }

    /// What can be waited for: there is something to be [heard](Self::machine_has_ended).
    pub(super) fn stream(&self) -> &UnixStream {
        self.qmp.stream()
    }

    /// Returns whether the machine has ended without a word of the guest's. An error: QEMU itself has.
    pub(super) fn machine_has_ended(&mut self) -> io::Result<bool> {
        self.qmp.hear()
    }

    /// QEMU has started.
    pub(super) fn started(&mut self) {
        self.far = None;
    }

    /// Takes the core of a guest of that image that has ended in that way; the machine stands from then on.
    pub(super) fn take(self, image: &Image, end: &MachineEnd) -> Result<(), CoreError> {
        let Self {
            file,
            mut qmp,
            memory,
            machine,
            size,
            command_line,
            ..
        } = self;
        let registers = match stop(&mut qmp, image, machine) {
            Ok(registers) => registers,
            Err(error) => return file.refuse(error),
        };
        let memory = Memory::new(qmp, memory);
        let running = Thread {
            id: THREAD,
            registers,
            units: None,
            fs_base: 0,
        };
        let core = Core {
            image,
            command_line: &command_line,
            threads: threads(image, &memory, running),
            areas: areas(image, machine, size, &memory),
            ending: ending(end),
        };
        core.write(&memory, file)
    }
}

/// Stops the machine in the guest; the registers there.
fn stop(qmp: &mut Qmp, image: &Image, machine: VirtualMachine) -> io::Result<Registers> {
    for _ in 0..TRIES {
        qmp.set_running(false)?;
        let registers = qmp::parse_registers(&qmp.registers()?, image.machine().width());
        let is_guests = |registers: &Registers| {
            machine == VirtualMachine::Bare || image.segment_at(registers.instruction, 1).is_some()
        };
        if let Some(registers) = registers.filter(is_guests) {
            return Ok(registers);
        }
        qmp.set_running(true)?;
        thread::sleep(PAUSE);
    }
    Err(io::Error::other(
        "the processor was not in the guest; a domain of Xen that waits for an event cannot be looked at",
    ))
}

/// Memory of a machine that stands.
struct Memory {
    qmp: RefCell<Qmp>,
    file: File,
    /// What is in the file: from an address on, so many bytes.
    window: RefCell<(u64, u64)>,
}

impl Memory {
    fn new(qmp: Qmp, file: OwnedFd) -> Self {
        Self {
            qmp: RefCell::new(qmp),
            file: File::from(file),
            window: RefCell::new((0, 0)),
        }
    }

    /// Has QEMU write memory to the file. Returns how many bytes are there.
    fn fetch(&self, address: u64, size: u64) -> u64 {
        // What is not mapped is an error, behind what was written before it.
        let file = inherited(&self.file);
        let _ = self.qmp.borrow_mut().save(address, size, &file);
        let size = self.file.metadata().map_or(0, |file| file.len().min(size));
        *self.window.borrow_mut() = (address, size);
        size
    }
}

impl ReadMemory for Memory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = address.checked_add(done as u64) else {
                break;
            };
            let (start, size) = *self.window.borrow();
            if at.checked_sub(start).is_none_or(|offset| offset >= size) {
                if self.fetch(at, WINDOW) == 0 {
                    break;
                }
                continue;
            }
            let offset = at - start;
            let count = (size - offset).min((buffer.len() - done) as u64) as usize;
            if self
                .file
                .read_exact_at(&mut buffer[done..done + count], offset)
                .is_err()
            {
                break;
            }
            done += count;
        }
        done
    }
}

/// The guest's memory: its image with its rights, and what is around it.
fn areas(image: &Image, machine: VirtualMachine, size: u64, memory: &Memory) -> Vec<Area> {
    let other = Access {
        read: true,
        write: true,
        execute: machine == VirtualMachine::Bare,
    };
    let mut areas = Vec::new();
    let mut reached = 0;
    let mut add = |start: u64, end: u64, access| {
        let (start, end) = (start.max(reached), end.min(size));
        if start < end {
            let range = start..end;
            areas.push(Area { range, access });
            reached = end;
        }
    };
    for segment in image.segments() {
        let start = segment.address / PAGE * PAGE;
        add(0, start, other);
        add(start, segment.end().next_multiple_of(PAGE), segment.access);
    }
    add(0, size, other);
    // Of a domain, what is mapped is known to Xen and itself.
    let is_there = |at: u64| machine == VirtualMachine::Bare || memory.fetch(at, 1) == 1;
    for area in &mut areas {
        let tried = (area.range.start..area.range.end).step_by(STEP as usize);
        if let Some(end) = tried.into_iter().find(|&at| !is_there(at)) {
            area.range.end = end;
        }
    }
    areas.retain(|area| !area.range.is_empty());
    areas
}

/// The signal by which a process would have ended so.
fn ending(end: &MachineEnd) -> Ending {
    Ending::by(match *end {
        MachineEnd::Signal(signal) => signal,
        MachineEnd::Timeout => libc::SIGXCPU,
        MachineEnd::Fault => libc::SIGSEGV,
        MachineEnd::Exit(_) | MachineEnd::Reset | MachineEnd::Fatal(_) | MachineEnd::Unknown(_) => libc::SIGABRT,
    })
}
