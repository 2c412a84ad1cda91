// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptor tables on i386.

use core::arch::asm;

use paravirt_abi::error::Error;

use super::{CODE, entry_of, load_gates};
use crate::local::Local;

/// The segments: none, code, data, and thread-local storage.
pub(in super::super) static SEGMENTS: Local<[u64; 4]> =
    Local::new([0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0]);
/// Selector of thread-local storage.
const TLS: u16 = 0x18;

pub(super) type Gate = u64;
pub(super) const NO_GATE: Gate = 0;

/// A gate to the entry of a vector that clears the interrupt flag.
pub(super) fn gate(vector: usize) -> Gate {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let entry = entry_of(vector) as u64;
    entry & 0xffff | u64::from(CODE) << 16 | PRESENT_INTERRUPT_GATE | (entry >> 16) << 48
}

/// Loads the gates. The segments are loaded by the image's entry point.
pub(crate) fn load() {
    load_gates();
}

/// Sets the base of thread-local storage: gs selects a segment that begins there.
///
/// # Errors
/// None here; the signature is that of x86-64.
///
/// # Safety
/// Code that uses thread-local storage must find at `base` what its ABI asks for. In ring 0, entered by the PVH note.
pub unsafe fn set_tls(base: usize) -> Result<(), Error> {
    let mut segments = SEGMENTS.get();
    let base = base as u64;
    segments[usize::from(TLS / 8)] = 0x00cf_9300_0000_ffff | (base & 0xff_ffff) << 16 | (base >> 24) << 56;
    // SAFETY: at the start, before the first interrupt.
    unsafe { SEGMENTS.set_large(segments) };
    // SAFETY: the descriptor was just made; no Rust code for this target uses gs.
    unsafe { asm!("mov gs, {:x}", in(reg) TLS, options(nostack, preserves_flags)) };
    Ok(())
}
