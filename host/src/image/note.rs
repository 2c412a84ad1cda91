// SPDX-License-Identifier: MIT OR Apache-2.0
//! The identity note.

use paravirt_abi::note::Flags;
use paravirt_abi::vcpu;

use super::Machine;
use super::error::Problem;
use super::segments::{self, Segment};

const DESCRIPTOR_SIZE: usize = size_of::<paravirt_abi::note::IdentityNote>();

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

/// Reads the one identity note among the descriptors found.
pub(super) fn parse(
    descriptors: &[&[u8]],
    machine: Machine,
    segments: &[Segment],
) -> Result<Option<Identity>, Problem> {
    match descriptors {
        [] => Ok(None),
        [descriptor] => parse_one(descriptor, machine, segments).map(Some),
        more => Err(Problem::DuplicateNote { count: more.len() }),
    }
}

fn parse_one(
    descriptor: &[u8],
    machine: Machine,
    segments: &[Segment],
) -> Result<Identity, Problem> {
    let word = |offset: usize| {
        descriptor
            .get(offset..offset + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
            .ok_or(Problem::NoteSize {
                size: descriptor.len(),
            })
    };
    // The version first: a descriptor of another version may well have another size.
    let version = word(0)?;
    if version != paravirt_abi::VERSION {
        return Err(Problem::AbiVersion { version });
    }
    if descriptor.len() != DESCRIPTOR_SIZE {
        return Err(Problem::NoteSize {
            size: descriptor.len(),
        });
    }
    let note_machine = word(4)?;
    if note_machine != u32::from(machine.elf()) {
        return Err(Problem::NoteMachine {
            note: note_machine,
            machine,
        });
    }
    let flags = word(8)?;
    let flags = Flags::from_bits(flags).ok_or(Problem::NoteFlags { flags })?;
    let reserved = word(12)?;
    if reserved != 0 {
        return Err(Problem::NoteReserved { reserved });
    }
    let vcpu_page = u64::from(word(16)?) | u64::from(word(20)?) << 32;
    let size = vcpu::SIZE as u64;
    if vcpu_page % size != 0 {
        return Err(Problem::VcpuPageMisaligned { address: vcpu_page });
    }
    if !segments::find(segments, vcpu_page, size).is_some_and(|s| s.access.write) {
        return Err(Problem::VcpuPageNotWritable { address: vcpu_page });
    }
    Ok(Identity {
        version,
        flags,
        vcpu_page,
    })
}
