// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ELF note by which a host knows a guest before it loads it.

/// Section of the notes.
pub const SECTION: &str = ".note.paravirt";
/// Owner field of the notes, without its NUL.
pub const OWNER: &str = "paravirt";
/// Type field of the identity note, of which an image has one.
pub const TYPE: u32 = 1;
/// Type field of the notes, of the same owner, that name the in-guest backends of an image, one each. The descriptor is
/// the name as in `image!`, or as a backend of another crate says it, padded with NULs to a multiple of four bytes, at
/// least one.
pub const BACKEND_TYPE: u32 = 2;
/// Type field of the notes, of the same owner, by which an image asks for free memory that it may execute. The
/// descriptor is empty.
pub const EXECUTABLE_MEMORY_TYPE: u32 = 3;

bitflags::bitflags! {
    /// Properties of the image that decide which hosts may enter it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// No code of the image keeps data below its stack pointer, so an interrupt frame may be pushed there. Ring-0
        /// hosts and Xen PV need it; the process host skips 128 bytes instead.
        const NO_RED_ZONE = 1 << 0;
    }
}

/// The descriptor. Fields follow the note header without padding, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct IdentityNote {
    /// [`crate::VERSION`] of the guest.
    pub version: u32,
    /// ELF machine number (`EM_386` = 3, `EM_ARM` = 40, `EM_X86_64` = 62, `EM_AARCH64` = 183, `EM_RISCV` = 243).
    pub machine: u32,
    /// [`Flags`].
    pub flags: u32,
    /// Zero in version 1.
    pub reserved: u32,
    /// Address of the [`crate::vcpu::VcpuPage`] of the boot vCPU.
    pub vcpu_page: u64,
}

const _: () = assert!(size_of::<IdentityNote>() == 24);
