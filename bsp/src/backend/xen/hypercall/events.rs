// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls for event channels and for Xen's own console.

use super::{CONSOLE_IO, XEN_VERSION, call};

const EVENT_CHANNEL_OP: usize = 32;

/// The domain that makes the call, where one is asked for.
pub(in super::super) const DOMID_SELF: u16 = 0x7ff0;

/// `XENFEAT_dom0` of [`features`]: this domain controls the machine.
pub(in super::super) const CONTROLS_MACHINE: u32 = 1 << 11;

/// The first 32 of Xen's feature flags (`features.h`), by bit number; none if it does not say.
pub(in super::super) fn features() -> u32 {
    const XENVER_GET_FEATURES: usize = 6;
    /// `struct xen_feature_info`.
    #[repr(C)]
    struct FeatureInfo {
        submap_index: u32,
        submap: u32,
    }
    let mut info = FeatureInfo {
        submap_index: 0,
        submap: 0,
    };
    // SAFETY: the structure that the call fills.
    let error = unsafe { call(XEN_VERSION, [XENVER_GET_FEATURES, &raw mut info as usize, 0, 0]) };
    if error < 0 { 0 } else { info.submap }
}

/// Reads from Xen's own console without waiting; the number of bytes.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
pub(in super::super) unsafe fn console_read(buffer: *mut u8, length: usize) -> isize {
    const CONSOLEIO_READ: usize = 1;
    // SAFETY: passed on.
    unsafe { call(CONSOLE_IO, [CONSOLEIO_READ, length, buffer as usize, 0]) }
}

/// Binds a virtual interrupt to an event channel; its port, or a negative error number.
pub(in super::super) fn bind_virq(virq: u32) -> Result<u32, isize> {
    const EVTCHNOP_BIND_VIRQ: usize = 1;
    /// `struct evtchn_bind_virq`.
    #[repr(C)]
    struct BindVirq {
        virq: u32,
        vcpu: u32,
        port: u32,
    }
    let mut bind = BindVirq { virq, vcpu: 0, port: 0 };
    // SAFETY: the structure that the call fills.
    let error = unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_BIND_VIRQ, &raw mut bind as usize, 0, 0]) };
    if error < 0 { Err(error) } else { Ok(bind.port) }
}

/// Unmasks an event channel; if it is pending, the event comes now.
pub(in super::super) fn unmask(port: u32) {
    const EVTCHNOP_UNMASK: usize = 9;
    // SAFETY: `struct evtchn_unmask` is this number.
    unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_UNMASK, &raw const port as usize, 0, 0]) };
}

/// Tells the other end of an event channel.
pub(in super::super) fn send(port: u32) {
    const EVTCHNOP_SEND: usize = 4;
    // SAFETY: `struct evtchn_send` is this number.
    unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_SEND, &raw const port as usize, 0, 0]) };
}
