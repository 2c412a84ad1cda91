// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entry points beside the ELF header's, as notes of owner `Xen` tell them.
//!
//! Types and contents: Xen public headers, version 4.17, xen/include/public/elfnote.h.

use alloc::format;
use alloc::string::String;

use super::Machine;
use super::elf::Note;
use super::segments::{self, Segment};

/// Owner of the notes.
pub(super) const OWNER: &[u8] = b"Xen";

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
pub(super) fn parse(notes: &[Note<'_>], machine: Machine, segments: &[Segment]) -> Result<Entries, String> {
    Ok(Entries {
        pvh: entry(notes, PHYS32_ENTRY, machine, segments)?,
        xen_pv: entry(notes, ENTRY, machine, segments)?,
    })
}

fn entry(notes: &[Note<'_>], kind: u32, machine: Machine, segments: &[Segment]) -> Result<Option<u64>, String> {
    let mut descriptors = notes
        .iter()
        .filter(|note| note.owner == OWNER && note.kind == kind)
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
