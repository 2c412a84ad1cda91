// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain that Xen builds itself when it starts, without one that controls the machine (*dom0less*), on QEMU's Arm
//! machine: what Xen is told of machine and domain, and the guest in the form that Xen loads.
//!
//! The domain is given devices of the machine: the serial port and the clock, which are then its own, and a virtio
//! console for its last words, as on the machine without Xen. Xen has a console of its own for its log, so that nobody
//! needs to tell them apart: a second virtio console, through its register for emergencies, see [`tree`].
//!
//! A guest as Xen loads it: one piece of memory behind the header of an arm64 `Image` (Linux,
//! Documentation/arch/arm64/booting.rst). Xen takes no ELF file.
//!
//! The header is in the page below the image, which the machine without Xen has for the device tree.

mod tree;

pub(super) use tree::{Domain, GUEST_BUS, LOG_BUS, machine, passthrough};

use crate::image::Image;

const MIB: u64 = 1 << 20;

/// Where QEMU's machine has its memory, and Xen a domain's.
pub(super) const MEMORY: u64 = 1 << 30;
/// Memory of the machine for Xen, in bytes, from the beginning: Xen itself, from 128 MiB on the device tree, where QEMU
/// puts it, and what is loaded for the domain; and Xen's heap.
pub(super) const XEN_MEMORY: u64 = 256 * MIB;
/// Where the tree of the domain's devices is loaded, and the guest.
pub(super) const PASSTHROUGH: u64 = MEMORY + 144 * MIB;
pub(super) const GUEST: u64 = MEMORY + 160 * MIB;
/// Memory of the domain for its device tree, which Xen puts at the end, in steps of 2 MiB, in bytes.
pub(super) const TREE_MEMORY: u64 = 6 * MIB;
/// Xen's options: a domain that prints by hypercall is heard, and memory is not cleared that QEMU gives as zeros.
pub(super) const XEN_OPTIONS: &str = "guest_loglvl=all bootscrub=off";
/// Bytes of a command line that Xen hands on (`BOOTMOD_MAX_CMDLINE`, with the NUL).
pub(super) const COMMAND_LINE: usize = 1023;

const PAGE: u64 = 4096;
/// Offsets of the header's fields that loaders read, and of what its first instruction branches to.
const TEXT_OFFSET: usize = 8;
const IMAGE_SIZE: usize = 16;
const MAGIC: usize = 56;
const CODE: usize = 64;

/// `b` to [`CODE`], which goes to the image's entry point, wherever the whole is: in registers that a loader leaves to
/// the image, it adds what is behind its last instruction to the address of the header, and branches there.
const BRANCH: u32 = 0x1400_0000 | (CODE as u32 / 4);
const ENTER: [u32; 4] = [
    0x5800_0000 | (4 << 5) | 16,               // ldr x16, [pc + 16]
    0x1000_0000 | (HEADER << 5) | 17,          // adr x17, header
    0x8b00_0000 | (17 << 16) | (16 << 5) | 16, // add x16, x16, x17
    0xd61f_0000 | (16 << 5),                   // br x16
];
/// Distance of the header from the second of these, in instructions, as `adr` has it: in 19 bits, with its sign.
const HEADER: u32 = (-(CODE as i32 / 4 + 1) as u32) & 0x7_ffff;

/// The file, of an image that begins a page behind the beginning of memory or later.
pub(super) fn flat(image: &Image) -> Vec<u8> {
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
    for (index, instruction) in ENTER.into_iter().enumerate() {
        put(CODE + 4 * index, &instruction.to_le_bytes());
    }
    put(CODE + 4 * ENTER.len(), &(image.entry() - base).to_le_bytes());
    file
}
