// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls that only PVH domains make (Xen's public headers, version 4.17: `xen/include/public/memory.h`,
//! `hvm/params.h`).

use crate::backend::xen::hypercall::{MEMORY_OP, call, set_parameter};

/// Has events interrupt at `vector`, which has an entry.
pub(super) fn set_vector(vector: u8) -> isize {
    /// `HVM_PARAM_CALLBACK_IRQ`: how events interrupt.
    const CALLBACK: u32 = 0;
    /// `HVM_PARAM_CALLBACK_TYPE_VECTOR`, in the topmost byte.
    const TYPE_VECTOR: u64 = 2 << 56;
    set_parameter(CALLBACK, TYPE_VECTOR | u64::from(vector))
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
