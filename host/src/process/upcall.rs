// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupting the guest: the frame that the processor would push, then the guest's upcall entry.

use paravirt_abi::signature::Width;
use paravirt_abi::vcpu::RED_ZONE;

use super::context::Interrupted;
use super::fault::Cause;
use super::vcpu::Vcpu;

/// Enters the guest's upcall entry if a line is pending, interrupts are on and guest code was interrupted. Otherwise whoever
/// turns them on, or the gate on its way back, looks again.
pub(super) fn deliver(vcpu: &Vcpu, interrupted: &mut Interrupted<'_>) {
    let page = vcpu.page;
    if !page.is_pending() || !page.interrupts_enabled() || !interrupted.in_guest(vcpu.width) {
        return;
    }
    let entry = page.upcall_entry();
    if !vcpu.memory.executable(entry) {
        vcpu.guest_fault(interrupted, Cause::UpcallEntry(entry));
        return;
    }
    let Some(frame) = push_frame(vcpu, interrupted) else {
        vcpu.guest_fault(interrupted, Cause::UpcallStack);
        return;
    };
    page.disable_interrupts();
    vcpu.count_upcall();
    interrupted.redirect(entry, frame);
}

/// Writes the frame; its address, or `None` if the guest has no memory there.
fn push_frame(vcpu: &Vcpu, interrupted: &Interrupted<'_>) -> Option<u64> {
    let (instruction, flags, stack) = (
        interrupted.instruction(),
        interrupted.flags(),
        interrupted.stack(),
    );
    let code = u64::from(interrupted.code_selector());
    match vcpu.width {
        // rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).
        Width::Bits64 => {
            let top = stack.checked_sub(RED_ZONE)? & !15;
            let words = [
                instruction,
                code,
                flags,
                stack,
                u64::from(interrupted.stack_selector()),
            ];
            push(vcpu, top, words.map(u64::to_le_bytes).as_flattened())
        }
        // eip, cs, eflags (Intel SDM volume 3, 6.12.1).
        Width::Bits32 => {
            let words = [instruction as u32, code as u32, flags as u32];
            push(vcpu, stack, words.map(u32::to_le_bytes).as_flattened())
        }
    }
}

fn push(vcpu: &Vcpu, top: u64, bytes: &[u8]) -> Option<u64> {
    let frame = top.checked_sub(bytes.len() as u64)?;
    vcpu.memory.write(frame, bytes).ok()?;
    Some(frame)
}
