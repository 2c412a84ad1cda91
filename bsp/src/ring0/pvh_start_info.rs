// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a PVH loader says: command line and memory (Xen public headers, version 4.17: `arch-x86/hvm/start_info.h`).

use core::ffi::{CStr, c_char};
use core::fmt;

use crate::local::Local;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// The type of memory in the map that a guest may use (`XEN_HVM_MEMMAP_TYPE_RAM`).
const RAM: u32 = 1;
/// More entries are not believed.
const MAX_ENTRIES: u32 = 256;
/// Addresses from here on are not mapped.
const LIMIT: u64 = 1 << 32;

/// `struct hvm_start_info`; the last three fields from version 1 on.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct HvmStartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// `struct hvm_memmap_table_entry`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Why a start info is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// There is none at that address.
    Magic { address: usize, found: u32 },
    /// Not an address that a loader in 32-bit mode can have meant.
    Address(usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic { address, found } => write!(
                f,
                "the start info at {address:#x} begins with {found:#x}, not with {MAGIC:#x}: the loader that entered \
                the image at its PVH entry point does not follow the PVH protocol"
            ),
            Self::Address(address) => write!(
                f,
                "the loader left {address:#x} in ebx, which is no address of a PVH start info"
            ),
        }
    }
}

static INFO: Local<Option<&'static HvmStartInfo>> = Local::new(None);

/// Takes the start info at `address`, for the functions below.
///
/// # Errors
/// It is none.
///
/// # Safety
/// `address` must be what a loader left in ebx. That it means a start info is checked as far as its magic tells.
pub(super) unsafe fn set(address: usize) -> Result<(), Problem> {
    if address == 0 || !address.is_multiple_of(align_of::<HvmStartInfo>()) {
        return Err(Problem::Address(address));
    }
    // SAFETY: below 4 GiB everything is readable; the alignment was checked.
    let found = unsafe { (address as *const u32).read() };
    if found != MAGIC {
        return Err(Problem::Magic { address, found });
    }
    // SAFETY: with the magic, the loader vouches for the block. It stays until `forget`, before which the guest does
    // not use its memory. Of version 0 the last fields are not looked at.
    INFO.set(Some(unsafe { &*(address as *const HvmStartInfo) }));
    Ok(())
}

/// Forgets the block, and takes the page at address zero away where there are page tables: loaders leave parts of the
/// block there. To be called once it is read: from then on its memory is the guest's, and the functions of this module
/// find nothing.
pub fn forget() {
    INFO.set(None);
    #[cfg(target_arch = "x86_64")]
    super::paging::guard_null();
}

/// The command line, without its NUL.
///
/// # Safety
/// For the start of a backend. After it, or after [`forget`], neither the block nor the result may be used: the guest's
/// memory is there.
#[must_use]
pub unsafe fn command_line() -> &'static [u8] {
    let Some(info) = INFO.get() else { return b"" };
    if info.command_line == 0 || info.command_line >= LIMIT {
        return b"";
    }
    // SAFETY: the loader vouches for a NUL-terminated text there.
    unsafe { CStr::from_ptr(info.command_line as usize as *const c_char) }.to_bytes()
}

/// Calls `add` with start and end of each range of memory that the guest may use, in the loader's order, which is
/// ascending; `false` if the loader gave no map (version 0, or an empty one).
///
/// # Safety
/// As for [`command_line`].
pub unsafe fn for_each_memory(mut add: impl FnMut(u64, u64)) -> bool {
    let Some(info) = INFO.get() else { return false };
    if info.version == 0 || info.memory_map == 0 || info.memory_map >= LIMIT {
        return false;
    }
    let entries = info.memory_map as usize as *const MemoryMapEntry;
    let mut any = false;
    for index in 0..info.memory_map_entries.min(MAX_ENTRIES) as usize {
        // SAFETY: the loader vouches for the map.
        let entry = unsafe { entries.add(index).read_unaligned() };
        if entry.kind == RAM {
            add(entry.address, entry.address.saturating_add(entry.size).min(LIMIT));
            any = true;
        }
    }
    any
}
