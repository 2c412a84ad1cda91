// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest of this process as a debugger's machine. On the debugger's thread.

use std::sync::Arc;

use rustix::mm::{MprotectFlags, mprotect};

use paravirt_host_core::layout::GUEST_END;
use paravirt_host_core::memory::PAGE;

use super::hardware::Hardware;
use super::link::{Link, Order};
use super::vcpu::pointer;
use crate::debug::core::Area;
use crate::debug::gdb::{Machine, Resume, State, WatchKind, Watched};
use crate::debug::memory::ReadMemory;
use crate::debug::registers::Registers;
use crate::image::{Access, Image};

/// A guest that outlives it.
pub(in crate::process) struct ProcessMachine {
    pub(super) link: Arc<Link>,
    pub(super) image: Image,
    pub(super) file_name: String,
    /// The guest's own memory, sorted by address.
    pub(super) regions: Vec<Area>,
    /// What the processor watches.
    pub(super) hardware: Arc<Hardware>,
}

impl ProcessMachine {
    /// The parts of the memory that hold those bytes, without a gap, as far as there are.
    fn parts(&self, address: u64, size: usize) -> impl Iterator<Item = (&Area, u64, usize)> {
        let mut at = address;
        let end = address.saturating_add(size as u64);
        let from = self.regions.partition_point(|region| region.range.end <= address);
        self.regions[from..].iter().map_while(move |region| {
            if at >= end || !region.range.contains(&at) {
                return None;
            }
            let part = (region, at, (region.range.end.min(end) - at) as usize);
            at += part.2 as u64;
            Some(part)
        })
    }

    /// Returns whether all of these bytes are the guest's.
    fn holds(&self, address: u64, size: usize) -> bool {
        self.parts(address, size).map(|(_, _, size)| size).sum::<usize>() == size
    }
}

impl ReadMemory for ProcessMachine {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        let read = |_: &mut _| {
            for (region, at, size) in self.parts(address, buffer.len()) {
                if !region.access.read {
                    break;
                }
                let target = buffer[done..done + size].as_mut_ptr();
                // SAFETY: the guest's, which may read it itself, and does not run.
                unsafe { (at as *const u8).copy_to_nonoverlapping(target, size) };
                done += size;
            }
        };
        self.link.with_exchange(read);
        done
    }
}

impl Machine for ProcessMachine {
    fn state(&self) -> State {
        match self.link.with_exchange(|exchange| exchange.stop) {
            Some(stop) => State::Stands(stop),
            None => self.link.ended().map_or(State::Runs, State::Ended),
        }
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn file_name(&self) -> &str {
        &self.file_name
    }

    fn regions(&self) -> &[Area] {
        &self.regions
    }

    fn is_code(&self, address: u64) -> bool {
        self.parts(address, 1).any(|(region, _, _)| region.access.execute)
    }

    fn registers(&self) -> Registers {
        self.link
            .with_exchange(|exchange| exchange.registers)
            .unwrap_or_default()
    }

    fn set_registers(&mut self, registers: &Registers) -> bool {
        // Where the guest would jump to into the host's code, it is told so by a fault; a debugger is told here.
        let is_guests = registers.general.instruction < GUEST_END;
        let set = |exchange: &mut super::link::Exchange| exchange.registers = *registers;
        is_guests && self.link.with_exchange(set).is_some()
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        if !self.holds(address, bytes.len()) {
            return false;
        }
        let write = |_: &mut _| {
            let mut rest = bytes;
            self.parts(address, bytes.len()).all(|(region, at, size)| {
                let (part, behind) = rest.split_at(size);
                rest = behind;
                write_part(region.access, at, part)
            })
        };
        self.link.with_exchange(write).unwrap_or(false)
    }

    fn watch(&mut self, watched: Watched) -> bool {
        let Ok(size) = usize::try_from(watched.size) else {
            return false;
        };
        let is_readable = self
            .parts(watched.address, size)
            .all(|(region, _, _)| region.access.read);
        if !is_readable || !self.holds(watched.address, size) {
            return false;
        }
        if self.hardware.add(self.link.thread(), watched).is_ok() {
            return true;
        }
        // Steps show what has changed, and nothing else.
        let add = |exchange: &mut super::link::Exchange| exchange.watches.add(watched);
        watched.kind == WatchKind::Write && self.link.with_exchange(add).unwrap_or(false)
    }

    fn unwatch(&mut self, watched: Watched) -> bool {
        if self.hardware.remove(watched) {
            return true;
        }
        let remove = |exchange: &mut super::link::Exchange| exchange.watches.remove(watched);
        self.link.with_exchange(remove).unwrap_or(false)
    }

    fn interrupt(&mut self) {
        self.link.interrupt();
    }

    fn resume(&mut self, how: &Resume) {
        let order = match how {
            Resume::Continue { faults: false } => Order::Continue,
            Resume::Continue { faults: true } => Order::Fault,
            Resume::Step(range) => Order::Step(range.start, range.end),
            Resume::Kill => Order::Kill,
        };
        if self.link.with_exchange(|exchange| exchange.order = order).is_some() {
            self.link.resume();
        }
    }
}

/// Writes bytes of one region, also where the guest may not.
fn write_part(access: Access, address: u64, bytes: &[u8]) -> bool {
    let start = address / PAGE * PAGE;
    let end = (address + bytes.len() as u64).next_multiple_of(PAGE);
    let protect = |rights| {
        // SAFETY: pages of the guest's, which does not run; they get their rights back.
        unsafe { mprotect(pointer(start), (end - start) as usize, rights) }.is_ok()
    };
    if !access.write && !protect(MprotectFlags::READ | MprotectFlags::WRITE) {
        return false;
    }
    // SAFETY: writable now, the guest's, which does not run.
    unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    if access.write {
        return true;
    }
    let mut rights = MprotectFlags::empty();
    rights.set(MprotectFlags::READ, access.read);
    rights.set(MprotectFlags::EXEC, access.execute);
    protect(rights)
}
