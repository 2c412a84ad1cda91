// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest as Xen loads it: one piece of memory behind the header of an arm64 `Image` (Linux,
//! Documentation/arch/arm64/booting.rst). Xen takes no ELF file.
//!
//! The header is in the page below the image, which the machine without Xen has for the device tree.

use super::MEMORY;
use crate::image::Image;

const PAGE: u64 = 4096;
/// Offsets of the header's fields that loaders read, and of what its first instruction branches to.
const TEXT_OFFSET: usize = 8;
const IMAGE_SIZE: usize = 16;
const MAGIC: usize = 56;
const CODE: usize = 64;

/// `b` to [`CODE`], where `x16`, which a loader leaves to the image, takes what is behind the two instructions, and is
/// branched to.
const BRANCH: u32 = 0x1400_0000 | (CODE as u32 / 4);
const LOAD: u32 = 0x5800_0000 | (2 << 5) | 16;
const BRANCH_TO_X16: u32 = 0xd61f_0200;

/// The file, of an image that begins a page behind the beginning of memory or later.
pub(in super::super) fn flat(image: &Image) -> Vec<u8> {
    let start = image.segments().iter().map(|segment| segment.address).min();
    let end = image.segments().iter().map(|segment| segment.end()).max();
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(0));
    let base = (start & !(PAGE - 1)) - PAGE;
    let mut file = vec![0; (end - base) as usize];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    for segment in image.segments() {
        put((segment.address - base) as usize, segment.data());
    }
    put(0, &BRANCH.to_le_bytes());
    put(TEXT_OFFSET, &(base - MEMORY).to_le_bytes());
    put(IMAGE_SIZE, &(end - base).to_le_bytes());
    put(MAGIC, b"ARM\x64");
    put(CODE, &LOAD.to_le_bytes());
    put(CODE + 4, &BRANCH_TO_X16.to_le_bytes());
    put(CODE + 8, &image.entry().to_le_bytes());
    file
}
