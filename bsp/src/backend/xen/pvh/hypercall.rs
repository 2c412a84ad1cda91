// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls that only PVH domains make (Xen's public headers, version 4.17: `xen/include/public/memory.h`,
//! `hvm/hvm_op.h`, `hvm/params.h`).

use crate::backend::xen::hypercall::{DOMID_SELF, call};

const MEMORY_OP: usize = 12;
const HVM_OP: usize = 34;

/// Parameters of a domain: page number and event channel of its console.
pub(super) const CONSOLE_PAGE: u32 = 17;
pub(super) const CONSOLE_CHANNEL: u32 = 18;
/// How events interrupt.
const CALLBACK: u32 = 0;

/// `struct xen_hvm_param`.
#[repr(C)]
struct Parameter {
    domain: u16,
    padding: u16,
    index: u32,
    value: u64,
}

/// The value of a parameter, if Xen knows it.
pub(super) fn parameter(index: u32) -> Option<u64> {
    const HVMOP_GET_PARAM: usize = 1;
    let mut parameter = Parameter {
        domain: DOMID_SELF,
        padding: 0,
        index,
        value: 0,
    };
    // SAFETY: the structure that the call fills.
    let error = unsafe { call(HVM_OP, [HVMOP_GET_PARAM, &raw mut parameter as usize, 0, 0]) };
    (error >= 0).then_some(parameter.value)
}

/// Has events interrupt at `vector`.
pub(super) fn set_vector(vector: u8) -> isize {
    const HVMOP_SET_PARAM: usize = 0;
    /// `HVM_PARAM_CALLBACK_TYPE_VECTOR`, in the topmost byte.
    const TYPE_VECTOR: u64 = 2 << 56;
    let parameter = Parameter {
        domain: DOMID_SELF,
        padding: 0,
        index: CALLBACK,
        value: TYPE_VECTOR | u64::from(vector),
    };
    // SAFETY: the structure that the call reads; the vector has an entry.
    unsafe { call(HVM_OP, [HVMOP_SET_PARAM, &raw const parameter as usize, 0, 0]) }
}

/// Puts the page that the domain shares with Xen in the place of the page at `address`.
///
/// # Safety
/// Nobody needs what that page holds.
pub(super) unsafe fn map_shared_info(address: usize) -> isize {
    const XENMEM_ADD_TO_PHYSMAP: usize = 7;
    const SPACE_SHARED_INFO: u32 = 0;
    /// `struct xen_add_to_physmap`.
    #[repr(C)]
    struct AddToPhysmap {
        domain: u16,
        size: u16,
        space: u32,
        index: usize,
        page: usize,
    }
    let add = AddToPhysmap {
        domain: DOMID_SELF,
        size: 0,
        space: SPACE_SHARED_INFO,
        index: 0,
        page: address / 4096,
    };
    // SAFETY: the structure that the call reads; the caller answers for the page.
    unsafe { call(MEMORY_OP, [XENMEM_ADD_TO_PHYSMAP, &raw const add as usize, 0, 0]) }
}

/// Calls `add` with start and end of each range of memory that the domain may use, as the tools that built it say.
pub(super) fn for_each_memory(mut add: impl FnMut(u64, u64)) {
    const XENMEM_MEMORY_MAP: usize = 9;
    const MOST: usize = 32;
    const RAM: u32 = 1;
    /// An entry of a PC's memory map, 20 bytes.
    #[derive(Clone, Copy)]
    #[repr(C, packed)]
    struct Entry {
        address: u64,
        size: u64,
        kind: u32,
    }
    /// `struct xen_memory_map`.
    #[repr(C)]
    struct MemoryMap {
        entries: u32,
        buffer: *mut Entry,
    }
    let mut entries = [Entry {
        address: 0,
        size: 0,
        kind: 0,
    }; MOST];
    let mut map = MemoryMap {
        entries: MOST as u32,
        buffer: entries.as_mut_ptr(),
    };
    // SAFETY: the structure that the call reads and fills, with a buffer of that many entries.
    let error = unsafe { call(MEMORY_OP, [XENMEM_MEMORY_MAP, &raw mut map as usize, 0, 0]) };
    if error < 0 {
        return;
    }
    for entry in entries.iter().take(map.entries as usize) {
        if entry.kind == RAM {
            add(entry.address, entry.address.saturating_add(entry.size));
        }
    }
}
