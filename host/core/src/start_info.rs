// SPDX-License-Identifier: MIT OR Apache-2.0
//! The start info as it lies in the guest's memory, with what it refers to behind it: the memory ranges, then the
//! command line.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::offset_of;

use paravirt_abi::start::{Features, MemoryRange, StartInfo};

/// What the start info says beside the memory ranges.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// What the host offers.
    pub features: Features,
    /// Address of the resolver of lazy binding, 0 if there is none.
    pub resolver: u64,
    /// Unix time at start, in ns.
    pub wall_clock: u64,
    /// The command line, at most [`COMMAND_LINE`](crate::layout::COMMAND_LINE) bytes.
    pub command_line: &'a str,
}

/// Offset of the memory ranges.
const RANGES: usize = size_of::<StartInfo>();

/// Offset of the command line behind that many ranges.
const fn command_line_offset(ranges: usize) -> usize {
    RANGES + ranges * size_of::<MemoryRange>()
}

/// Size in bytes with that many memory ranges and that command line.
#[must_use]
pub const fn size(ranges: usize, command_line: &str) -> u64 {
    (command_line_offset(ranges) + command_line.len() + 1) as u64
}

/// The bytes as they lie at `address`.
#[must_use]
pub fn bytes(address: u64, ranges: &[MemoryRange], contents: &Contents<'_>) -> Vec<u8> {
    let text = command_line_offset(ranges.len());
    let mut bytes = vec![0; text];
    let mut put = |offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    macro_rules! field {
        ($field:ident, $value:expr) => {
            put(offset_of!(StartInfo, $field), &$value.to_le_bytes());
        };
    }
    let empty = StartInfo::empty();
    field!(magic, empty.magic);
    field!(size, empty.size);
    field!(version, empty.version);
    field!(features, contents.features.bits());
    field!(resolver, contents.resolver);
    field!(memory, (address + RANGES as u64));
    field!(memory_count, (ranges.len() as u32));
    field!(command_line_length, (contents.command_line.len() as u32));
    field!(command_line, (address + text as u64));
    field!(wall_clock, contents.wall_clock);
    for (index, range) in ranges.iter().enumerate() {
        let at = RANGES + index * size_of::<MemoryRange>();
        put(at + offset_of!(MemoryRange, start), &range.start.to_le_bytes());
        put(at + offset_of!(MemoryRange, size), &range.size.to_le_bytes());
        put(at + offset_of!(MemoryRange, kind), &range.kind.to_le_bytes());
    }
    bytes.extend_from_slice(contents.command_line.as_bytes());
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_refers_to_lies_behind_it() {
        let range = MemoryRange {
            start: 0x10_0000,
            size: 0x2000,
            kind: 1,
            reserved: 0,
        };
        let contents = Contents {
            features: Features::LAZY,
            resolver: 0x1234,
            wall_clock: 5,
            command_line: "a b",
        };
        let bytes = bytes(0x8000, &[range; 2], &contents);
        assert_eq!(bytes.len() as u64, size(2, "a b"));
        let word = |offset: usize| u64::from_le_bytes(*bytes[offset..].first_chunk().unwrap());
        assert_eq!(word(offset_of!(StartInfo, memory)), 0x8000 + 64);
        assert_eq!(word(offset_of!(StartInfo, memory_count)), 3 << 32 | 2);
        assert_eq!(word(64 + 24), 0x10_0000);
        let text = (word(offset_of!(StartInfo, command_line)) - 0x8000) as usize;
        assert_eq!(&bytes[text..], b"a b\0");
    }
}
