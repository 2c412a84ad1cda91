// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of a domain whose memory the processor's virtualisation maps: PVH, and any on AArch64 (Xen's public headers,
//! version 4.17: `xen/include/public/memory.h`, `hvm/hvm_op.h`, `hvm/params.h`).

use super::{DOMID_SELF, call};

pub(in super::super) const MEMORY_OP: usize = 12;
const HVM_OP: usize = 34;

/// `struct xen_hvm_param`.
#[repr(C)]
struct Parameter {
    domain: u16,
    padding: u16,
    index: u32,
    value: u64,
}

/// The value of a parameter of the domain, if Xen knows it.
fn parameter(index: u32) -> Option<u64> {
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

/// Sets a parameter of the domain; a negative error number on failure.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(in super::super) fn set_parameter(index: u32, value: u64) -> isize {
    const HVMOP_SET_PARAM: usize = 0;
    let parameter = Parameter {
        domain: DOMID_SELF,
        padding: 0,
        index,
        value,
    };
    // SAFETY: the structure that the call reads.
    unsafe { call(HVM_OP, [HVMOP_SET_PARAM, &raw const parameter as usize, 0, 0]) }
}

/// Page number and event channel of the domain's console; 0, or nothing, where Xen's tools have made none.
pub(in super::super) fn console() -> (Option<u64>, Option<u64>) {
    const PAGE: u32 = 17;
    const CHANNEL: u32 = 18;
    (parameter(PAGE), parameter(CHANNEL))
}

/// Puts the page that the domain shares with Xen in the place of the page at the guest-physical `address`.
///
/// # Safety
/// Nobody needs what that page holds.
pub(in super::super) unsafe fn map_shared_info(address: u64) -> isize {
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
        page: (address / 4096) as usize,
    };
    // SAFETY: the structure that the call reads; the caller answers for the page.
    unsafe { call(MEMORY_OP, [XENMEM_ADD_TO_PHYSMAP, &raw const add as usize, 0, 0]) }
}
