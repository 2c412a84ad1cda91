// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupting the guest: a frame with what was interrupted, then the guest's upcall entry.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "x86.rs")]
mod machine;

use paravirt_abi::signature::Width;

pub use machine::Interrupted;

use crate::fault::Cause;
use crate::memory::GuestMemory;
use crate::page::Page;

/// Where the guest goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcall {
    /// Instruction pointer: the upcall entry.
    pub instruction: u64,
    /// Stack pointer: the frame.
    pub stack: u64,
}

/// If a line is pending and interrupts are on, writes the frame, turns interrupts off and says where the guest goes on.
/// On the vCPU's thread, where guest code was interrupted; elsewhere whoever turns interrupts on, or the gate on its
/// way back, looks again.
///
/// # Errors
/// What to stop the guest for: it has no memory for the frame, or an upcall entry that is no code.
pub fn deliver(
    page: Page,
    memory: &GuestMemory,
    width: Width,
    interrupted: &Interrupted,
) -> Result<Option<Upcall>, Cause> {
    if !page.is_pending() || !page.interrupts_enabled() {
        return Ok(None);
    }
    let instruction = page.upcall_entry();
    if !memory.executable(instruction) {
        return Err(Cause::UpcallEntry(instruction));
    }
    let stack = interrupted.push(memory, width).ok_or(Cause::UpcallStack)?;
    page.disable_interrupts();
    Ok(Some(Upcall { instruction, stack }))
}

fn push(memory: &GuestMemory, top: u64, bytes: &[u8]) -> Option<u64> {
    let frame = top.checked_sub(bytes.len() as u64)?;
    memory.write(frame, bytes).ok()?;
    Some(frame)
}
