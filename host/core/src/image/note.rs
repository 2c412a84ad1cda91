// SPDX-License-Identifier: MIT OR Apache-2.0
//! The notes by which the guest layer describes an image: one of its identity, one for each in-guest backend, and what
//! it asks for.
//!
//! Entry points beside the ELF header's are in notes of owner `Xen`.
//! Types and contents: Xen public headers, version 4.17, xen/include/public/elfnote.h.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use paravirt_abi::note::{BACKEND_TYPE, EXECUTABLE_MEMORY_TYPE, Flags, OWNER, SECTION, TYPE};
use paravirt_abi::{VERSION, vcpu};

use super::Machine;
use super::elf::Note;
use super::segments::{self, Segment};
use crate::prototype::is_identifier;

const DESCRIPTOR_SIZE: usize = size_of::<paravirt_abi::note::IdentityNote>();

/// Limit of the number of in-guest backends; an image has one for each kind of host.
pub(super) const MAX_BACKENDS: usize = 8;
/// Limit of a backend's name in bytes: what a linker must tell apart (C11, 5.2.4.1).
const MAX_BACKEND_NAME: usize = 31;

/// What the guest says about itself, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// ABI version; the one this host implements.
    pub version: u32,
    /// Properties of the code.
    pub flags: Flags,
    /// Address of the boot vCPU's page: page-aligned and in writable memory of the image.
    pub vcpu_page: u64,
}

/// Descriptors of our notes of that type.
fn descriptors<'a>(notes: &[Note<'a>], kind: u32) -> Vec<&'a [u8]> {
    notes
        .iter()
        .filter(|note| note.owner == OWNER.as_bytes() && note.kind == kind)
        .map(|note| note.descriptor)
        .collect()
}

/// Reads the one identity note.
pub(super) fn identity(notes: &[Note<'_>], machine: Machine, segments: &[Segment]) -> Result<Option<Identity>, String> {
    match descriptors(notes, TYPE).as_slice() {
        [] => Ok(None),
        [descriptor] => parse_one(descriptor, machine, segments).map(Some),
        more => Err(format!(
            "{} identity notes; link one version of the guest layer only",
            more.len()
        )),
    }
}

/// Reads the names of the in-guest backends, sorted.
pub(super) fn backends(notes: &[Note<'_>]) -> Result<Vec<String>, String> {
    let descriptors = descriptors(notes, BACKEND_TYPE);
    let count = descriptors.len();
    if count > MAX_BACKENDS {
        return Err(format!(
            "{count} notes of backends are more than {MAX_BACKENDS}; name fewer in `image!`"
        ));
    }
    let mut names = descriptors.into_iter().map(backend).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!(
            "two backends are called {}; name each once in `image!`",
            pair[0]
        )),
        None => Ok(names),
    }
}

/// Returns whether the image asks for free memory that it may execute.
pub(super) fn asks_for_executable_memory(notes: &[Note<'_>]) -> bool {
    !descriptors(notes, EXECUTABLE_MEMORY_TYPE).is_empty()
}

/// The name in the descriptor, which is padded with NULs, at least one.
fn backend(descriptor: &[u8]) -> Result<String, String> {
    let end = descriptor.iter().position(|&byte| byte == 0);
    let (name, padding) = descriptor.split_at(end.unwrap_or(descriptor.len()));
    core::str::from_utf8(name)
        .ok()
        .filter(|name| name.len() <= MAX_BACKEND_NAME)
        .filter(|name| is_identifier(name) && !padding.is_empty())
        .filter(|_| padding.iter().all(|&byte| byte == 0))
        .map(str::to_owned)
        .ok_or_else(|| {
            let found = String::from_utf8_lossy(&descriptor[..descriptor.len().min(64)]);
            format!(
                "note of a backend in {SECTION} holds {found:?}, not a name of at most {MAX_BACKEND_NAME} bytes padded \
                with NULs; link the guest layer's own objects"
            )
        })
}

fn parse_one(descriptor: &[u8], machine: Machine, segments: &[Segment]) -> Result<Identity, String> {
    let other_size = || {
        let size = descriptor.len();
        format!(
            "identity note has {size} bytes, not {DESCRIPTOR_SIZE}; rebuild the guest with this version's guest layer"
        )
    };
    let word = |offset: usize| {
        let bytes = descriptor.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.map(|&bytes| u32::from_le_bytes(bytes)).ok_or_else(other_size)
    };
    // The version first: a descriptor of another version may well have another size.
    let version = word(0)?;
    if version != VERSION {
        return Err(format!(
            "built for ABI version {version}, this host has version {VERSION}; rebuild the guest or use the host of \
            its version"
        ));
    }
    if descriptor.len() != DESCRIPTOR_SIZE {
        return Err(other_size());
    }
    let note = word(4)?;
    if note != u32::from(machine.elf()) {
        return Err(format!(
            "identity note is for ELF machine {note}, the file for {machine}; link objects of one architecture only"
        ));
    }
    let flags = word(8)?;
    let flags = Flags::from_bits(flags)
        .ok_or_else(|| format!("identity note has unknown flags {flags:#x}; use a host as new as the guest layer"))?;
    let reserved = word(12)?;
    if reserved != 0 {
        return Err(format!(
            "identity note has {reserved:#x} in its reserved field; use a host as new as the guest layer"
        ));
    }
    let vcpu_page = u64::from(word(16)?) | u64::from(word(20)?) << 32;
    let size = vcpu::SIZE as u64;
    if vcpu_page % size != 0 {
        return Err(format!(
            "vCPU page at {vcpu_page:#x} is not page-aligned; keep the alignment of its section in the linker script"
        ));
    }
    if !segments::find(segments, vcpu_page, size).is_some_and(|s| s.access.write) {
        return Err(format!(
            "vCPU page at {vcpu_page:#x} is not wholly in a writable segment; place its section in the data segment"
        ));
    }
    Ok(Identity {
        version,
        flags,
        vcpu_page,
    })
}

/// Owner of the notes.
pub(super) const XEN: &[u8] = b"Xen";

/// `XEN_ELFNOTE_ENTRY`: where a paravirtualized domain begins.
pub(super) const ENTRY: u32 = 1;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: where a machine without paging begins, Xen's PVH domain or QEMU's PC.
pub(super) const PHYS32_ENTRY: u32 = 18;

/// Where hypervisors enter the image; addresses in executable segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// In 32-bit protected mode without paging.
    pub pvh: Option<u64>,
    /// As a paravirtualized domain of Xen.
    pub xen_pv: Option<u64>,
}

/// Finds them among the notes.
pub(super) fn entries(notes: &[Note<'_>], machine: Machine, segments: &[Segment]) -> Result<Entries, String> {
    Ok(Entries {
        pvh: entry(notes, PHYS32_ENTRY, machine, segments)?,
        xen_pv: entry(notes, ENTRY, machine, segments)?,
    })
}

fn entry(notes: &[Note<'_>], kind: u32, machine: Machine, segments: &[Segment]) -> Result<Option<u64>, String> {
    let mut descriptors = notes
        .iter()
        .filter(|note| note.owner == XEN && note.kind == kind)
        .map(|note| note.descriptor);
    let Some(descriptor) = descriptors.next() else {
        return Ok(None);
    };
    if descriptors.next().is_some() {
        return Err(format!(
            "two notes of owner Xen, type {kind}; link one version of the guest layer only"
        ));
    }
    let address = match *descriptor {
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => {
            let size = descriptor.len();
            return Err(format!(
                "note of owner Xen, type {kind}, has {size} bytes, not the 4 or 8 of an address; link the guest \
                layer's own objects"
            ));
        }
    };
    let code = machine.code_address(address);
    if !segments::find(segments, code, 1).is_some_and(|segment| segment.access.execute) {
        return Err(format!(
            "note of owner Xen, type {kind}, has the entry point {address:#x}, which is not in an executable segment; \
            keep .text in the linker script"
        ));
    }
    Ok(Some(address))
}
