// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an L4RTEMS image finds in memory when it is entered: the state of a vCPU, the Multiboot information, the shared
//! variables, the command line.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::offset_of;

use paravirt_abi::l4rtems::{Multiboot, SharedVariables};

/// Bytes for the state of L4's vCPU. The guest keeps its interrupt flag there; this host does not read it.
const VCPU_STATE: u64 = 0x400;
const MULTIBOOT: u64 = VCPU_STATE;
const SHARED: u64 = MULTIBOOT + size_of::<Multiboot>() as u64;
const COMMAND_LINE: u64 = SHARED + size_of::<SharedVariables>() as u64;

/// First byte behind the memory that Multiboot calls lower.
const UPPER_START: u64 = 1 << 20;

/// Size in bytes of the block for a command line.
#[must_use]
pub const fn size(command_line: &str) -> u64 {
    COMMAND_LINE + command_line.len() as u64 + 1
}

/// The block as it lies at `address`, all of it below 4 GiB.
#[derive(Clone, Debug)]
pub struct Block {
    /// What lies there.
    pub bytes: Vec<u8>,
    /// Address of the Multiboot information.
    pub multiboot: u64,
    /// Address of the shared variables.
    pub shared: u64,
}

/// What the guest loads into segment registers, after an interrupt of L4RTEMS for instance.
#[derive(Clone, Copy, Debug)]
pub struct Selectors {
    /// Its data segment.
    pub ds: u16,
    /// What the host has in `fs`, where L4 finds the thread's own data.
    pub fs: u16,
}

/// The block for a guest whose memory ends at `memory_end`. `resolver` is the address of the resolver of lazy binding.
#[must_use]
pub fn block(address: u64, memory_end: u64, selectors: Selectors, resolver: u64, command_line: &str) -> Block {
    let mut bytes = vec![0; size(command_line) as usize];
    let mut put = |offset: u64, field: usize, value: u64| {
        let at = offset as usize + field;
        bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    // Memory sizes and the command line are valid.
    put(MULTIBOOT, offset_of!(Multiboot, flags), 1 << 0 | 1 << 2);
    let upper = memory_end.saturating_sub(UPPER_START) / 1024;
    put(MULTIBOOT, offset_of!(Multiboot, upper), upper);
    let text = address + COMMAND_LINE;
    put(MULTIBOOT, offset_of!(Multiboot, command_line), text);
    put(SHARED, offset_of!(SharedVariables, vcpu), address);
    let Selectors { ds, fs } = selectors;
    put(SHARED, offset_of!(SharedVariables, ds), ds.into());
    put(SHARED, offset_of!(SharedVariables, fs), fs.into());
    put(SHARED, offset_of!(SharedVariables, resolver), resolver);
    let text = COMMAND_LINE as usize;
    bytes[text..text + command_line.len()].copy_from_slice(command_line.as_bytes());
    Block {
        bytes,
        multiboot: address + MULTIBOOT,
        shared: address + SHARED,
    }
}
