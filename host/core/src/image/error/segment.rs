// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the segments and the entry point.

/// What is wrong with the segments or the entry point. Addresses are the guest's, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentProblem {
    /// More segments than the limit.
    #[error("{count} loadable segments are more than {limit}; use the linker script of the guest's architecture")]
    TooManySegments {
        /// Segments found.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Nothing to load.
    #[error("no loadable segment; link with the linker script of the guest's architecture")]
    NoSegments,
    /// A segment's bytes lie behind the end of the file.
    #[error(
        "truncated: segment at {address:#x} needs bytes {file_offset:#x}+{file_size:#x} of a file of {length:#x}; \
         copy or link it again"
    )]
    SegmentTruncated {
        /// The segment's address.
        address: u64,
        /// Its offset in the file.
        file_offset: u64,
        /// Its size in the file.
        file_size: u64,
        /// Length of the file.
        length: u64,
    },
    /// The segments' bytes are more than the file has.
    #[error(
        "segments of {size} bytes in a file of {length} hold the same bytes several times; check the linker script, or \
        link it again"
    )]
    SegmentsShareFile {
        /// Sum of their sizes in the file.
        size: u64,
        /// Length of the file.
        length: u64,
    },
    /// A segment is larger in the file than in memory.
    #[error(
        "segment at {address:#x} has {file_size:#x} bytes in the file but {size:#x} in memory; the file is damaged"
    )]
    SegmentLargerInFile {
        /// The segment's address.
        address: u64,
        /// Its size in the file.
        file_size: u64,
        /// Its size in memory.
        size: u64,
    },
    /// A segment reaches past the end of the address space.
    #[error(
        "segment at {address:#x} of {size:#x} bytes wraps around the address space; check the linker script's addresses"
    )]
    SegmentWraps {
        /// The segment's address.
        address: u64,
        /// Its size in memory.
        size: u64,
    },
    /// Two segments share addresses.
    #[error(
        "segment at {second:#x} overlaps the one at {first:#x} to {first_end:#x}; check the linker script's addresses"
    )]
    SegmentsOverlap {
        /// Address of the lower segment.
        first: u64,
        /// First address behind it.
        first_end: u64,
        /// Address of the upper segment.
        second: u64,
    },
    /// The entry point is not code.
    #[error(
        "entry point {entry:#x} is in no executable segment; name the start code with ENTRY(..) in the linker script \
         and keep it from garbage collection"
    )]
    EntryNotExecutable {
        /// The entry point.
        entry: u64,
    },
}
