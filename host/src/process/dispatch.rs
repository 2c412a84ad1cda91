// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gates to host functions.

use std::sync::atomic::Ordering;

use paravirt_abi::signature::Width;
use paravirt_host_core::explain::{Cause, Record};

use super::call::Call;
use super::gate::{Frame, ResolverFrame};
use super::state::STATE;
use super::vcpu::{Binding, Vcpu};

/// Calls the host function of that index.
///
/// # Safety
/// For the gates only: on the vCPU's thread while the guest runs, with a frame that is theirs.
pub(super) unsafe extern "sysv64" fn dispatch(index: u32, frame: *mut Frame) {
    let vcpu = STATE.vcpu.load(Ordering::Relaxed);
    // SAFETY: set while the guest runs.
    let vcpu = unsafe { &*vcpu };
    // SAFETY: the gate's frame.
    let stack = unsafe { (*frame).stack };
    let Some(binding) = vcpu.bindings.get(index as usize) else {
        return vcpu.record_fault(Record::of_call(Cause::WildCall, stack));
    };
    let Some(function) = &binding.function else {
        return vcpu.record_fault(Record::of_call(Cause::Unbound(index), stack));
    };
    // They lie above the return address.
    let size = binding.stack_bytes + pointer_size(vcpu.width);
    if binding.stack_bytes != 0 && !vcpu.memory.readable(stack, size) {
        return vcpu.record_fault(Record::of_call(Cause::Arguments(index), stack));
    }
    binding.calls.set(binding.calls.get() + 1);
    // SAFETY: frame and vCPU outlive the call, and the gate does not touch the frame meanwhile.
    let mut call = unsafe { Call::new(frame, vcpu) };
    function(&mut call);
}

/// Fills a slot on its first call and leaves its function's address as the result.
///
/// # Safety
/// As for [`dispatch`].
pub(super) unsafe extern "sysv64" fn resolve(frame: *mut ResolverFrame) {
    let vcpu = STATE.vcpu.load(Ordering::Relaxed);
    // SAFETY: set while the guest runs.
    let vcpu = unsafe { &*vcpu };
    // SAFETY: the gate's frame.
    let frame = unsafe { &mut (*frame).frame };
    // Below the return address lie the two words that the thunk has pushed; the stack pointer may be anything.
    let stack = frame.stack.wrapping_add(2 * pointer_size(vcpu.width));
    let Some(index) = pushed_slot(vcpu, frame.stack).and_then(|slot| find(vcpu, slot)) else {
        return vcpu.record_fault(Record::of_call(Cause::WildResolve, stack));
    };
    if vcpu.bindings[index].function.is_none() {
        return vcpu.record_fault(Record::of_call(Cause::Unbound(index as u32), stack));
    }
    fill_slot(vcpu, index);
    frame.result = vcpu.bindings[index].entry;
}

/// Makes the slot of that function lead to it.
pub(super) fn fill_slot(vcpu: &Vcpu, index: usize) {
    let Binding { slot, entry, .. } = vcpu.bindings[index];
    // SAFETY: the scanner found the slot in a writable segment. Bytes have no alignment, nor have slots of 2013.
    unsafe {
        match vcpu.width {
            Width::Bits32 => (slot as *mut [u8; 4]).write_volatile((entry as u32).to_le_bytes()),
            Width::Bits64 => (slot as *mut [u8; 8]).write_volatile(entry.to_le_bytes()),
        }
    }
}

/// The second word that the guest's resolver thunk has pushed: the slot's address.
fn pushed_slot(vcpu: &Vcpu, stack: u64) -> Option<u64> {
    let word = pointer_size(vcpu.width);
    let bytes = vcpu.memory.read(stack.checked_add(word)?, word).ok()?;
    let mut slot = [0; 8];
    slot[..bytes.len()].copy_from_slice(&bytes);
    Some(u64::from_le_bytes(slot))
}

/// Index of the function of that slot: the slots are one table, in the order of the bindings, or two where an image has both
/// spellings of the tables' names.
fn find(vcpu: &Vcpu, slot: u64) -> Option<usize> {
    let word = pointer_size(vcpu.width);
    let bindings = &vcpu.bindings;
    let last = bindings.len().checked_sub(1)?;
    let from_first = slot.checked_sub(bindings[0].slot).map(|bytes| bytes / word);
    let from_last = bindings[last]
        .slot
        .checked_sub(slot)
        .map(|bytes| bytes / word);
    let candidates = [
        from_first.and_then(|distance| usize::try_from(distance).ok()),
        from_last.and_then(|distance| last.checked_sub(usize::try_from(distance).ok()?)),
    ];
    candidates.into_iter().flatten().find(|&index| {
        bindings
            .get(index)
            .is_some_and(|binding| binding.slot == slot)
    })
}

const fn pointer_size(width: Width) -> u64 {
    match width {
        Width::Bits32 => 4,
        Width::Bits64 => 8,
    }
}
