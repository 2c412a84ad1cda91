// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the notes: identity, backends, entry points.

use alloc::string::String;

use crate::image::Machine;

/// What is wrong with a note of the guest layer. Addresses are the guest's, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// More than one identity note.
    #[error("{count} identity notes; link one version of the guest layer only")]
    DuplicateNote {
        /// Number found.
        count: usize,
    },
    /// The note's descriptor has another size than version 1 says.
    #[error("identity note has {size} bytes, not 24; rebuild the guest with this version's guest layer")]
    NoteSize {
        /// Size of the descriptor.
        size: usize,
    },
    /// Built against another ABI version.
    #[error(
        "built for ABI version {version}, this host has version {}; rebuild the guest or use the host of its version",
        paravirt_abi::VERSION
    )]
    AbiVersion {
        /// The guest's version.
        version: u32,
    },
    /// Note and ELF header disagree.
    #[error("identity note is for ELF machine {note}, the file for {machine}; link objects of one architecture only")]
    NoteMachine {
        /// Machine number in the note.
        note: u32,
        /// Architecture in the header.
        machine: Machine,
    },
    /// Unknown property flags.
    #[error("identity note has unknown flags {flags:#x}; use a host as new as the guest layer")]
    NoteFlags {
        /// The flags.
        flags: u32,
    },
    /// Reserved field in use.
    #[error("identity note has {reserved:#x} in its reserved field; use a host as new as the guest layer")]
    NoteReserved {
        /// The field.
        reserved: u32,
    },
    /// The vCPU page is not page-aligned.
    #[error("vCPU page at {address:#x} is not page-aligned; keep the alignment of its section in the linker script")]
    VcpuPageMisaligned {
        /// Its address.
        address: u64,
    },
    /// The vCPU page is not in writable memory.
    #[error("vCPU page at {address:#x} is not wholly in a writable segment; place its section in the data segment")]
    VcpuPageNotWritable {
        /// Its address.
        address: u64,
    },
    /// A backend's note holds no name.
    #[error(
        "note of a backend in {section} holds {found:?}, not a name of at most {limit} bytes padded with NULs; link \
        the guest layer's own objects",
        section = paravirt_abi::note::SECTION
    )]
    BackendNote {
        /// The beginning of what it holds.
        found: String,
        /// Limit of a name's length.
        limit: usize,
    },
    /// More backends than the limit.
    #[error("{count} notes of backends are more than {limit}; name fewer in `image!`")]
    TooManyBackends {
        /// Number found.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Two backends of one name.
    #[error("two backends are called {name}; name each once in `image!`")]
    DuplicateBackend {
        /// The name.
        name: String,
    },
    /// The descriptor is no address.
    #[error(
        "note of owner Xen, type {kind}, has {size} bytes, not the 4 or 8 of an address; link the guest layer's own \
        objects"
    )]
    EntryNoteSize {
        /// Type of the note.
        kind: u32,
        /// Size of the descriptor.
        size: usize,
    },
    /// Two entry points of one kind.
    #[error("two notes of owner Xen, type {kind}; link one version of the guest layer only")]
    DuplicateEntryNote {
        /// Type of the notes.
        kind: u32,
    },
    /// The entry point is no code.
    #[error(
        "note of owner Xen, type {kind}, has the entry point {address:#x}, which is not in an executable segment; \
         keep .text in the linker script"
    )]
    EntryNoteNotExecutable {
        /// Type of the note.
        kind: u32,
        /// The address.
        address: u64,
    },
}
