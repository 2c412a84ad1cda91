// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports: all of them are the guest's.

use paravirt_abi::error::Error;

use crate::ring0::port::{in8, in16, in32, out8, out16, out32};

/// Body of `pv_port_in`.
pub(super) extern "C" fn read(port: u16, width: u32) -> i64 {
    match width {
        1 => in8(port).into(),
        2 => in16(port).into(),
        4 => in32(port).into(),
        _ => Error::InvalidArgument.number().into(),
    }
}

/// Body of `pv_port_out`.
pub(super) extern "C" fn write(port: u16, width: u32, value: u32) -> i32 {
    match width {
        1 => out8(port, value as u8),
        2 => out16(port, value as u16),
        4 => out32(port, value),
        _ => return Error::InvalidArgument.number(),
    }
    0
}
