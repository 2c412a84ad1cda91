// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file: header, program headers, notes, memory.

use std::io;

use paravirt_abi::signature::Width;
use paravirt_host_core::memory::PAGE as MEMORY_PAGE;

use super::notes::notes;
use super::{Area, Core};
use crate::debug::memory::ReadMemory;
use crate::image::Access;
use crate::process::late::Sink;

/// Page size of x86 in bytes.
pub(super) const PAGE: u64 = MEMORY_PAGE;

/// Bytes that are read of the guest's memory at a time: whole pages.
const CHUNK: u64 = 16 * PAGE;

/// ELF's numbers (System V ABI, chapters 4 and 5).
const EV_CURRENT: u8 = 1;
const ET_CORE: u16 = 4;
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Sizes in bytes of a file's header and of a program header.
const fn sizes(width: Width) -> (u64, u64) {
    match width {
        Width::Bits32 => (52, 32),
        Width::Bits64 => (64, 56),
    }
}

/// A program header.
struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    alignment: u64,
}

/// Writes all of it.
pub(super) fn write(core: &Core<'_>, memory: &(impl ReadMemory + ?Sized), sink: &mut impl Sink) -> io::Result<()> {
    let width = core.image.machine().width();
    let notes = notes(core);
    let (header, program_header) = sizes(width);
    let notes_at = header + program_header * (1 + core.areas.len() as u64);
    let mut head = file_header(width, 1 + core.areas.len() as u16);
    let note = Header {
        kind: PT_NOTE,
        flags: 0,
        offset: notes_at,
        address: 0,
        file_size: notes.len() as u64,
        memory_size: 0,
        alignment: 4,
    };
    push(&mut head, &note, width);
    let mut offset = (notes_at + note.file_size).next_multiple_of(PAGE);
    for area in &core.areas {
        let size = area.range.end - area.range.start;
        let load = Header {
            kind: PT_LOAD,
            flags: flags(area.access),
            offset,
            address: area.range.start,
            file_size: size,
            memory_size: size,
            alignment: PAGE,
        };
        push(&mut head, &load, width);
        offset += size;
    }
    head.extend(notes);
    head.resize(head.len().next_multiple_of(PAGE as usize), 0);
    sink.data(&head)?;
    core.areas.iter().try_for_each(|area| write_area(area, memory, sink))
}

fn file_header(width: Width, program_headers: u16) -> Vec<u8> {
    let (header, program_header) = sizes(width);
    let (class, machine, word) = match width {
        Width::Bits32 => (1, EM_386, 4),
        Width::Bits64 => (2, EM_X86_64, 8),
    };
    const LITTLE_ENDIAN: u8 = 1;
    let mut bytes = vec![0x7f, b'E', b'L', b'F', class, LITTLE_ENDIAN, EV_CURRENT];
    bytes.resize(16, 0);
    bytes.extend(ET_CORE.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(u32::from(EV_CURRENT).to_le_bytes());
    // No entry; the program headers are behind this one; there are no sections.
    for number in [0, header, 0] {
        bytes.extend(&u64::to_le_bytes(number)[..word]);
    }
    bytes.extend([0; 4]);
    for number in [header as u16, program_header as u16, program_headers, 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, header: &Header, width: Width) {
    let Header {
        kind,
        flags,
        offset,
        address,
        file_size,
        memory_size,
        alignment,
    } = *header;
    bytes.extend(kind.to_le_bytes());
    // There is a physical address, too, which means nothing here.
    match width {
        Width::Bits64 => {
            bytes.extend(flags.to_le_bytes());
            for number in [offset, address, 0, file_size, memory_size, alignment] {
                bytes.extend(number.to_le_bytes());
            }
        }
        Width::Bits32 => {
            for number in [offset, address, 0, file_size, memory_size, flags.into(), alignment] {
                bytes.extend((number as u32).to_le_bytes());
            }
        }
    }
}

/// A segment's rights.
fn flags(access: Access) -> u32 {
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    const READ: u32 = 4;
    [(access.execute, EXECUTE), (access.write, WRITE), (access.read, READ)]
        .into_iter()
        .filter(|(right, _)| *right)
        .fold(0, |flags, (_, flag)| flags | flag)
}

/// Writes the memory there; what cannot be read is zero.
fn write_area(area: &Area, memory: &(impl ReadMemory + ?Sized), sink: &mut impl Sink) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK as usize];
    let mut address = area.range.start;
    while address < area.range.end {
        let size = CHUNK.min(area.range.end - address);
        let buffer = &mut buffer[..size as usize];
        let known = memory.read(address, buffer);
        buffer[known..].fill(0);
        // Pages of zeros, and others, as many as there are.
        let mut rest = &*buffer;
        while !rest.is_empty() {
            let zeros = length(rest, true);
            sink.zeros(zeros as u64)?;
            let others = length(&rest[zeros..], false);
            sink.data(&rest[zeros..zeros + others])?;
            rest = &rest[zeros + others..];
        }
        address += size;
    }
    Ok(())
}

/// Bytes of the pages at the beginning that are all zero, or of those that are not.
fn length(bytes: &[u8], zero: bool) -> usize {
    const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
    let pages = bytes.chunks(PAGE as usize);
    let found = pages.take_while(|page| (**page == ZEROS[..page.len()]) == zero);
    found.map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What is written, and how many of the bytes are zeros that need no room.
    #[derive(Default)]
    struct Written {
        bytes: Vec<u8>,
        zeros: u64,
    }

    impl Sink for Written {
        fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.bytes.extend(bytes);
            Ok(())
        }

        fn zeros(&mut self, count: u64) -> io::Result<()> {
            self.zeros += count;
            self.bytes.resize(self.bytes.len() + count as usize, 0);
            Ok(())
        }
    }

    /// Memory of one page of ones at 0x5000, behind which nothing can be read.
    struct Memory {
        reads: Cell<u32>,
    }

    impl ReadMemory for Memory {
        fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
            self.reads.set(self.reads.get() + 1);
            let readable = 0x6000_u64.saturating_sub(address).min(buffer.len() as u64) as usize;
            buffer.fill(0xaa);
            for (byte, at) in buffer[..readable].iter_mut().zip(address..) {
                *byte = u8::from(at >= 0x5000);
            }
            readable
        }
    }

    #[test]
    fn zeros_and_what_cannot_be_read_take_no_room() {
        let access = Access {
            read: true,
            write: true,
            execute: false,
        };
        let range = 0x4000..0x40000;
        let (memory, mut written) = (Memory { reads: Cell::new(0) }, Written::default());
        write_area(&Area { range, access }, &memory, &mut written).expect("a vector");
        assert_eq!(written.bytes.len(), 0x3c000);
        assert_eq!(written.zeros, 0x3b000);
        assert!(written.bytes[0x1000..0x2000].iter().all(|&byte| byte == 1));
        assert_eq!(written.bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>(), 0x1000);
        assert_eq!(memory.reads.get(), 4, "as much at a time as there is room for");
    }
}
