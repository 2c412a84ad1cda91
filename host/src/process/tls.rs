// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's thread-local storage: fs on x86-64, gs on i386.

use std::arch::asm;

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;

use super::call::Call;
use super::state::{DATA, GUEST_END, STATE};

/// First address that user code may not use (Intel SDM volume 1, 3.3.7.1; the processor refuses non-canonical bases).
const USER_END: u64 = 1 << 47;
/// First entry of the local descriptor table, privilege level 3.
const LDT_SELECTOR: u16 = 0b111;

/// Sets the base for the running guest.
pub(super) fn set(call: &mut Call, base: u64) -> Result<(), Error> {
    match call.width() {
        Width::Bits64 if base >= USER_END => Err(Error::InvalidArgument),
        Width::Bits64 => {
            // The gate loads it on the way back.
            call.frame().fs = base;
            Ok(())
        }
        Width::Bits32 if base >= GUEST_END => Err(Error::InvalidArgument),
        Width::Bits32 if fsgsbase() => {
            // SAFETY: loads a flat data segment into gs, which 64-bit code on Linux does not use, then its base, which the
            // kernel has said user mode may write.
            unsafe {
                asm!(
                    "mov gs, {selector:x}",
                    "wrgsbase {base}",
                    selector = in(reg) u32::from(DATA),
                    base = in(reg) base,
                    options(nostack, preserves_flags),
                );
            }
            Ok(())
        }
        Width::Bits32 => set_by_descriptor(base as u32),
    }
}

/// Without wrgsbase, 32-bit code needs a descriptor with that base.
fn set_by_descriptor(base: u32) -> Result<(), Error> {
    /// Flags of `struct user_desc`: 32-bit segment, limit in pages, usable.
    const FLAGS: u32 = 1 << 0 | 1 << 4 | 1 << 6;
    /// Function code of modify_ldt: write an entry.
    const WRITE: i32 = 0x11;
    let entry: [u32; 4] = [u32::from(LDT_SELECTOR >> 3), base, 0xf_ffff, FLAGS];
    // SAFETY: the call reads the entry, a `struct user_desc`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_modify_ldt,
            WRITE,
            entry.as_ptr(),
            size_of_val(&entry),
        )
    };
    if result != 0 {
        return Err(Error::Device);
    }
    // SAFETY: loads the descriptor just made into gs, which 64-bit code on Linux does not use.
    unsafe {
        asm!(
            "mov gs, {selector:x}",
            selector = in(reg) u32::from(LDT_SELECTOR),
            options(nostack, preserves_flags),
        );
    }
    Ok(())
}

fn fsgsbase() -> bool {
    STATE.fsgsbase.load(std::sync::atomic::Ordering::Relaxed) != 0
}
