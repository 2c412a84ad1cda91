// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host tells the guest at its entry point.
//!
//! | architecture | magic in | address of [`StartInfo`] in |
//! |---|---|---|
//! | i386 | `eax` | `edx` |
//! | x86-64 | `rax` | `rdx` |
//! | AArch64 | `x1` | `x0` |
//!
//! The stack pointer is undefined at entry: the guest brings its own stack. The virtual interrupt flag is off, the
//! direction flag clear.

/// Value of the magic register and of [`StartInfo::magic`]: `PVR1` in memory order.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PVR1");

bitflags::bitflags! {
    /// What this host offers beyond the interface functions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u32 {
        /// The host keeps the clock in the vCPU page, from when it knows the counter's rate:
        /// [`crate::vcpu::ClockFlags::VALID`].
        const CLOCK_TSC = 1 << 0;
        /// Slots are resolved on their first call, through [`StartInfo::resolver`]; else all are bound at entry.
        const LAZY = 1 << 1;
    }
}

/// The start info block, in guest memory, valid for the life of the guest. The guest only reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct StartInfo {
    /// [`MAGIC`].
    pub magic: u32,
    /// Size of this block in bytes; a later version only appends.
    pub size: u32,
    /// ABI version of the host.
    pub version: u32,
    /// [`Features`].
    pub features: u32,
    /// Address of the host's resolver, 0 if there is none.
    pub resolver: u64,
    /// Address of an array of [`MemoryRange`].
    pub memory: u64,
    /// Number of memory ranges.
    pub memory_count: u32,
    /// Length of the command line in bytes, without the NUL that follows it.
    pub command_line_length: u32,
    /// Address of the command line, UTF-8; arguments are separated by single spaces.
    pub command_line: u64,
    /// Unix time at start, in ns.
    pub wall_clock: u64,
    /// Zero in version 1.
    pub reserved: u64,
}

impl StartInfo {
    /// A block of this version that says nothing yet: no features, no memory, no command line, no time.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            magic: MAGIC,
            size: size_of::<Self>() as u32,
            version: crate::VERSION,
            features: Features::empty().bits(),
            resolver: 0,
            memory: 0,
            memory_count: 0,
            command_line_length: 0,
            command_line: 0,
            wall_clock: 0,
            reserved: 0,
        }
    }
}

/// Kinds of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryKind {
    /// Free for the guest's use; what it holds is undefined.
    Ram = 1,
    /// Holds the image.
    Image = 2,
}

/// One range of the guest's memory. Ranges are sorted and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MemoryRange {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// A [`MemoryKind`].
    pub kind: u32,
    /// Zero in version 1.
    pub reserved: u32,
}

impl MemoryRange {
    /// From address `start` to before `end`, which is not below it.
    #[must_use]
    pub const fn new(start: u64, end: u64, kind: MemoryKind) -> Self {
        Self {
            start,
            size: end - start,
            kind: kind as u32,
            reserved: 0,
        }
    }
}

const _: () = assert!(size_of::<StartInfo>() == 64 && size_of::<MemoryRange>() == 24);
