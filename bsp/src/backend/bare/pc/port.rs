// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports: all of them are the guest's.

use paravirt_abi::error::Error;

use crate::ring0::port::Port;

crate::in_guest_functions! { pub(in super::super) const FUNCTIONS = { pv_port_in = read, pv_port_out = write }; }

/// Body of `pv_port_in`.
///
/// # Safety
/// As for the external function: what the device does is the caller's intention.
pub(super) unsafe extern "C" fn read(port: u16, width: u32) -> i64 {
    // SAFETY: handed on.
    let port = unsafe { Port::new(port) };
    match width {
        1 => port.in8().into(),
        2 => port.in16().into(),
        4 => port.in32().into(),
        _ => Error::InvalidArgument.number().into(),
    }
}

/// Body of `pv_port_out`.
///
/// # Safety
/// As above.
pub(super) unsafe extern "C" fn write(port: u16, width: u32, value: u32) -> i32 {
    // SAFETY: handed on.
    let port = unsafe { Port::new(port) };
    match width {
        1 => port.out8(value as u8),
        2 => port.out16(value as u16),
        4 => port.out32(value),
        _ => return Error::InvalidArgument.number(),
    }
    0
}
