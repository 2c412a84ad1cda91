// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where things lie in the guest's address space, from low to high: the image, the start info (read-only), the host's low code, a
//! page of counters, the guest's memory. Gaps between them catch what runs over an end.

use std::io::ErrorKind;
use std::mem::offset_of;

use paravirt_abi::signature::{Signature, Width};
use paravirt_abi::start::{Features, MAGIC, MemoryKind, MemoryRange, StartInfo};

use super::error::VmError;
use super::gate::low::{self, Low};
use super::legacy;
use super::memory::{GuestMemory, PAGE};
use super::state::GUEST_END;
use super::timers;
use crate::image::{Access, Image};

/// Unmapped space between parts, in bytes, and their alignment.
const GAP: u64 = 64 * 1024;
/// Room for all that is neither image nor the guest's memory: much more than it takes.
const OTHERS: u64 = 32 << 20;
/// Longest command line in bytes.
const COMMAND_LINE: usize = 64 * 1024;

const READ: Access = rights(false, false);
const WRITE: Access = rights(true, false);
const EXECUTE: Access = rights(false, true);

const fn rights(write: bool, execute: bool) -> Access {
    Access {
        read: true,
        write,
        execute,
    }
}

/// What is to be laid out.
pub(super) struct Request<'a> {
    pub(super) image: &'a Image,
    /// Bytes of memory beside the image.
    pub(super) memory: u64,
    pub(super) command_line: &'a str,
    /// What the slots are to lead to, in their order.
    pub(super) targets: &'a [Target],
    pub(super) lazy: bool,
    pub(super) clock: bool,
}

/// A function that a slot is to lead to.
pub(super) struct Target {
    pub(super) prototype: Signature,
    /// Whether 32-bit guests call it as the functions of 2013.
    pub(super) fastcall: bool,
}

/// The guest's memory, not yet sealed, and what is where.
pub(super) struct Layout {
    pub(super) memory: GuestMemory,
    pub(super) low: Low,
    /// Where the slots lead once they are bound, in their order.
    pub(super) entries: Vec<u64>,
    /// Address of the counter of upcalls.
    pub(super) upcalls: u64,
    /// Address of a vCPU page for images that have none.
    pub(super) spare_page: u64,
    /// Where the guest is entered.
    pub(super) entry: u64,
    /// Address of the start info, or of what an image of 2013 gets in its place.
    pub(super) start_info: u64,
}

/// Maps and fills everything.
pub(super) fn load(request: &Request<'_>) -> Result<Layout, VmError> {
    let Request { image, .. } = *request;
    if request.command_line.len() > COMMAND_LINE {
        return Err(VmError::CommandLine(request.command_line.len()));
    }
    let mut mapper = Mapper {
        memory: GuestMemory::default(),
        file: image.name(),
        next: 0,
    };
    mapper.map_image(image)?;
    let image_range = MemoryRange {
        start: image
            .segments()
            .first()
            .map_or(0, |s| s.address / PAGE * PAGE),
        size: 0,
        kind: MemoryKind::Image as u32,
        reserved: 0,
    };
    let image_range = MemoryRange {
        size: mapper.next - image_range.start,
        ..image_range
    };
    let size = request.memory.next_multiple_of(PAGE);
    let image_end = mapper.next;
    if request.memory > GUEST_END || image_end + size + OTHERS > GUEST_END {
        return Err(VmError::Memory {
            memory: request.memory,
            end: image_end,
        });
    }
    // An image without identity note is entered as in 2013, and looks for its memory right behind itself.
    let legacy = image.identity().is_none();
    let mut ranges = vec![image_range];
    if legacy && size > 0 {
        mapper.map_at(image_end, image_end + size, WRITE)?;
    }
    let start_info = if legacy {
        mapper.map(legacy::block_size(request.command_line), WRITE)?
    } else {
        let size = INFO_SIZE + request.command_line.len() as u64 + 1;
        mapper.map(size, READ)?
    };
    let low_size = low::size(request.targets.len()).next_multiple_of(16);
    let code_size = low_size + legacy::Code::size(request.targets.len());
    let code = mapper.map(code_size as u64, EXECUTE)?;
    let upcalls = mapper.map(2 * PAGE, WRITE)?;
    if !legacy && size > 0 {
        let start = mapper.map(size, WRITE)?;
        ranges.push(MemoryRange {
            start,
            size,
            kind: MemoryKind::Ram as u32,
            reserved: 0,
        });
    }
    let mut memory = mapper.memory;

    let mut bytes = vec![0; low_size];
    let width = image.machine().width();
    let prototypes = request.targets.iter().map(|target| target.prototype);
    let low = low::write(&mut bytes, code, width, prototypes, upcalls);
    let mut extra = legacy::Code::new(code + low_size as u64);
    let entries = entries(request.targets, width, low, &mut extra);
    let (entry, start_info) = if legacy {
        let end = image_end + size;
        let block = legacy::block(start_info, end, low.resolver, request.command_line);
        memory.initialize(start_info, &block.bytes);
        let start = legacy::Start {
            multiboot: block.multiboot,
            stack: end,
            entry: image.entry(),
        };
        (extra.start(&start), block.shared)
    } else {
        let resolver = if request.lazy { low.resolver } else { 0 };
        memory.initialize(start_info, &info(request, start_info, resolver, &ranges));
        (image.entry(), start_info)
    };
    bytes.extend(extra.bytes);
    memory.initialize(code, &bytes);
    Ok(Layout {
        memory,
        low,
        entries,
        upcalls,
        spare_page: upcalls + PAGE,
        entry,
        start_info,
    })
}

/// Where the slots lead: to the functions' stubs, or to shims before them.
fn entries(targets: &[Target], width: Width, low: Low, shims: &mut legacy::Code) -> Vec<u64> {
    let entry = |(index, target): (usize, &Target)| {
        let stub = low.stub(index);
        // Elsewhere `regparm` does not exist, and the functions of 2013 are called as any other.
        if target.fastcall && width == Width::Bits32 {
            shims.shim(target.prototype, stub)
        } else {
            stub
        }
    };
    targets.iter().enumerate().map(entry).collect()
}

/// Maps one part behind the other.
struct Mapper<'a> {
    memory: GuestMemory,
    file: &'a str,
    /// End of what has been mapped.
    next: u64,
}

impl Mapper<'_> {
    /// Maps the pages of the segments; those that share a page have the same rights, as the policy asks.
    fn map_image(&mut self, image: &Image) -> Result<(), VmError> {
        for segment in image.segments() {
            let start = (segment.address / PAGE * PAGE).max(self.next);
            let end = segment.end().next_multiple_of(PAGE);
            if start < end {
                self.map_at(start, end, segment.access)?;
            }
        }
        for segment in image.segments() {
            self.memory.initialize(segment.address, segment.data());
        }
        Ok(())
    }

    fn map(&mut self, size: u64, access: Access) -> Result<u64, VmError> {
        let start = self.next.next_multiple_of(GAP) + GAP;
        self.map_at(start, start + size, access)?;
        Ok(start)
    }

    fn map_at(&mut self, start: u64, end: u64, access: Access) -> Result<(), VmError> {
        self.memory.map(start, end, access).map_err(|source| {
            let (file, address, size) = (self.file.to_owned(), start, end - start);
            if source.kind() == ErrorKind::AlreadyExists {
                VmError::AddressTaken {
                    file,
                    address,
                    size,
                }
            } else {
                VmError::Map {
                    file,
                    address,
                    size,
                    source,
                }
            }
        })?;
        self.next = end.next_multiple_of(PAGE);
        Ok(())
    }
}

/// Offset of the memory ranges behind the start info; there are at most two.
const RANGES: u64 = size_of::<StartInfo>() as u64;
/// Offset of the command line.
const INFO_SIZE: u64 = RANGES + 2 * size_of::<MemoryRange>() as u64;

/// The start info, the memory ranges and the command line, as they lie in memory.
fn info(request: &Request<'_>, address: u64, resolver: u64, ranges: &[MemoryRange]) -> Vec<u8> {
    let mut features = Features::empty();
    features.set(Features::CLOCK_TSC, request.clock);
    features.set(Features::LAZY, request.lazy);
    let mut bytes = vec![0; INFO_SIZE as usize];
    let mut put = |offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    macro_rules! field {
        ($field:ident, $value:expr) => {
            put(offset_of!(StartInfo, $field), &$value.to_le_bytes());
        };
    }
    field!(magic, MAGIC);
    field!(size, (size_of::<StartInfo>() as u32));
    field!(version, paravirt_abi::VERSION);
    field!(features, features.bits());
    field!(resolver, resolver);
    field!(memory, (address + RANGES));
    field!(memory_count, (ranges.len() as u32));
    field!(command_line_length, (request.command_line.len() as u32));
    field!(command_line, (address + INFO_SIZE));
    field!(wall_clock, timers::wall());
    for (index, range) in ranges.iter().enumerate() {
        let at = RANGES as usize + index * size_of::<MemoryRange>();
        put(
            at + offset_of!(MemoryRange, start),
            &range.start.to_le_bytes(),
        );
        put(
            at + offset_of!(MemoryRange, size),
            &range.size.to_le_bytes(),
        );
        put(
            at + offset_of!(MemoryRange, kind),
            &range.kind.to_le_bytes(),
        );
    }
    bytes.extend_from_slice(request.command_line.as_bytes());
    bytes.push(0);
    bytes
}
