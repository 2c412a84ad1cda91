// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loadable segments, and the image's memory as they make it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::Machine;

/// More segments than any sane linker script makes; bounds the work a hostile file can ask for.
pub(super) const MAX_SEGMENTS: usize = 64;

/// Access rights of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// The guest may read it.
    pub read: bool,
    /// The guest may write it.
    pub write: bool,
    /// The guest may execute it.
    pub execute: bool,
}

impl core::fmt::Display for Access {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let letter = |granted, letter| if granted { letter } else { '-' };
        write!(
            f,
            "{}{}{}",
            letter(self.read, 'r'),
            letter(self.write, 'w'),
            letter(self.execute, 'x')
        )
    }
}

/// A loadable segment. Its addresses neither wrap nor overlap those of another one.
#[derive(Clone, Debug)]
pub struct Segment {
    /// First address.
    pub address: u64,
    /// Size in memory, in bytes, at least 1; what [`Segment::data`] does not cover is zero.
    pub size: u64,
    /// Access rights.
    pub access: Access,
    file: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Segment {
    /// The bytes from the file with which the segment begins, at most [`Segment::size`].
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.file[self.range.clone()]
    }

    /// Returns whether bytes of the file belong to the segment.
    pub(super) fn holds_bytes(&self, range: &Range<usize>) -> bool {
        self.range.start < range.end && range.start < self.range.end
    }

    /// Where `size` bytes from `address` on are in the file, if they come from there.
    pub(super) fn file_range(&self, address: u64, size: usize) -> Option<Range<usize>> {
        let offset = usize::try_from(address.checked_sub(self.address)?).ok()?;
        let start = self.range.start.checked_add(offset)?;
        let range = start..start.checked_add(size)?;
        (range.end <= self.range.end).then_some(range)
    }

    /// First address behind the segment.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address + self.size
    }

    /// Returns whether `size` bytes from `address` on lie inside.
    #[must_use]
    pub fn contains(&self, address: u64, size: u64) -> bool {
        address >= self.address && address - self.address <= self.size && {
            size <= self.size - (address - self.address)
        }
    }
}

/// A loadable segment as the file describes it, unchecked.
pub(super) struct RawSegment {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) file_offset: u64,
    pub(super) file_size: u64,
    pub(super) access: Access,
}

/// Checks the segments and sorts them by address.
pub(super) fn check(raw: &[RawSegment], machine: Machine, file: &Arc<Vec<u8>>) -> Result<Vec<Segment>, String> {
    if raw.len() > MAX_SEGMENTS {
        let count = raw.len();
        return Err(format!(
            "{count} loadable segments are more than {MAX_SEGMENTS}; use the linker script of the guest's architecture"
        ));
    }
    let mut segments = Vec::with_capacity(raw.len());
    for segment in raw.iter().filter(|segment| segment.size > 0) {
        segments.push(check_one(segment, machine, file)?);
    }
    if segments.is_empty() {
        return Err("no loadable segment; link with the linker script of the guest's architecture".to_owned());
    }
    // Whoever loads or decodes the segments works on no more than the file then. Each is in the file, so the sum cannot
    // overflow.
    let size: u64 = segments.iter().map(|s| s.range.len() as u64).sum();
    let length = file.len() as u64;
    if size > length {
        return Err(format!(
            "segments of {size} bytes in a file of {length} hold the same bytes several times; check the linker \
            script, or link it again"
        ));
    }
    segments.sort_by_key(|segment| segment.address);
    for pair in segments.windows(2) {
        let (first, end, second) = (pair[0].address, pair[0].end(), pair[1].address);
        if second < end {
            return Err(format!(
                "segment at {second:#x} overlaps the one at {first:#x} to {end:#x}; check the linker script's addresses"
            ));
        }
    }
    Ok(segments)
}

fn check_one(raw: &RawSegment, machine: Machine, file: &Arc<Vec<u8>>) -> Result<Segment, String> {
    let &RawSegment {
        address,
        size,
        file_offset,
        file_size,
        access,
    } = raw;
    if file_size > size {
        return Err(format!(
            "segment at {address:#x} has {file_size:#x} bytes in the file but {size:#x} in memory; the file is damaged"
        ));
    }
    let end = address.checked_add(size);
    let limit = match machine.pointer_size() {
        4 => 1 << 32,
        _ => u64::MAX,
    };
    if end.is_none_or(|end| end > limit) {
        return Err(format!(
            "segment at {address:#x} of {size:#x} bytes wraps around the address space; check the linker script's \
            addresses"
        ));
    }
    let range = file_offset
        .checked_add(file_size)
        .filter(|&end| end <= file.len() as u64)
        .and_then(|end| Some(usize::try_from(file_offset).ok()?..usize::try_from(end).ok()?))
        .ok_or_else(|| {
            let length = file.len();
            format!(
                "truncated: segment at {address:#x} needs bytes {file_offset:#x}+{file_size:#x} of a file of \
                {length:#x}; copy or link it again"
            )
        })?;
    Ok(Segment {
        address,
        size,
        access,
        file: Arc::clone(file),
        range,
    })
}

/// The segment that holds `size` bytes from `address` on, if one does.
pub(super) fn find(segments: &[Segment], address: u64, size: u64) -> Option<&Segment> {
    segments.iter().find(|segment| segment.contains(address, size))
}

/// The bytes that the guest finds at `address` when it starts, if they come from the file.
pub(super) fn initial_bytes(segments: &[Segment], address: u64, size: u64) -> Option<&[u8]> {
    let segment = find(segments, address, size)?;
    let start = usize::try_from(address - segment.address).ok()?;
    segment
        .data()
        .get(start..start.checked_add(usize::try_from(size).ok()?)?)
}
