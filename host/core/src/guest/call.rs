// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gates to host functions.

use core::sync::atomic::Ordering;

use paravirt_abi::signature::Signature;

use super::Guest;
use crate::explain::{Cause, Record};
use crate::gate::{self, Frame, ResolverFrame, STATE};
use crate::prototype;

/// Size of a pointer in bytes.
const POINTER: usize = size_of::<usize>();

/// The host function behind an external function of the guest; bindings have the order of the image's externals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    /// Address of its slot.
    pub(super) slot: u64,
    /// Where the slot leads once it is bound: the function's stub, or a shim before it.
    pub(super) entry: u64,
    /// The host's function, `None` if nobody provides it.
    pub(super) function: Option<Target>,
}

/// A host function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// Its address.
    pub(super) address: usize,
    /// How it is called.
    pub(super) prototype: Signature,
}

/// Calls the host function of that index. Returns where the gate sees whether the guest is to be left: the word
/// is then not 0.
///
/// # Safety
/// For the gates only: on the vCPU's thread while the guest runs, with a frame that is theirs.
pub(crate) unsafe extern "C" fn dispatch(index: u32, frame: *mut Frame) -> *const u64 {
    // SAFETY: the guest outlives its run; the frame is the gate's, which does not touch it meanwhile.
    let (guest, frame) = unsafe { (&*STATE.guest.load(Ordering::Relaxed), &mut *frame) };
    guest.enter_host();
    guest.call(index, frame);
    guest.leave_host();
    guest.end.as_ptr()
}

/// Fills a slot on its first call and leaves where it leads as the result. Returns where the gate sees whether the guest
/// is to be left: the word is then not 0.
///
/// # Safety
/// As for [`dispatch`].
pub(crate) unsafe extern "C" fn resolve(frame: *mut ResolverFrame) -> *const u64 {
    // SAFETY: as for `dispatch`.
    let (guest, frame) = unsafe { (&*STATE.guest.load(Ordering::Relaxed), &mut (*frame).frame) };
    guest.enter_host();
    guest.resolve(frame);
    guest.leave_host();
    guest.end.as_ptr()
}

impl Guest {
    fn call(&self, index: u32, frame: &mut Frame) {
        let stack = frame.stack as u64;
        let Some(binding) = self.bindings.get(index as usize) else {
            return self.record(Record::of_call(Cause::WildCall, stack));
        };
        let Some(target) = binding.function else {
            return self.record(Record::of_call(Cause::Unbound(index), stack));
        };
        let bytes = prototype::stack_bytes(target.prototype, gate::MACHINE.width());
        if bytes != 0 && !self.memory.readable(stack, bytes + POINTER as u64) {
            return self.record(Record::of_call(Cause::Arguments(index), stack));
        }
        // SAFETY: who made the table of functions vouches for the prototype, which is the guest's as well; the arguments are
        // readable.
        unsafe { gate::call(target.address, frame, target.prototype) };
    }

    fn resolve(&self, frame: &mut Frame) {
        // Above the two words that the thunk has pushed lies the return address; the stack pointer may be anything.
        let stack = frame.stack.wrapping_add(2 * POINTER) as u64;
        let Some(index) = self
            .pushed_slot(frame.stack)
            .and_then(|slot| self.find(slot))
        else {
            return self.record(Record::of_call(Cause::WildResolve, stack));
        };
        if self.bindings[index].function.is_none() {
            return self.record(Record::of_call(Cause::Unbound(index as u32), stack));
        }
        self.fill_slot(index);
        frame.result = self.bindings[index].entry;
    }

    /// Makes the slot of that function lead to it.
    pub(super) fn fill_slot(&self, index: usize) {
        let Binding { slot, entry, .. } = self.bindings[index];
        let slot = slot as *mut [u8; POINTER];
        // SAFETY: the scanner found the slot in a writable segment, which is mapped. Bytes have no alignment.
        unsafe { slot.write_volatile((entry as usize).to_le_bytes()) };
    }

    /// The second word that the guest's resolver thunk has pushed: the slot's address.
    fn pushed_slot(&self, stack: usize) -> Option<u64> {
        let at = stack.checked_add(POINTER)?;
        if !self.memory.readable(at as u64, POINTER as u64) {
            return None;
        }
        // SAFETY: readable as checked, and the guest does not run meanwhile.
        let slot = unsafe { (at as *const usize).read_unaligned() };
        Some(slot as u64)
    }

    /// Index of the function of that slot.
    fn find(&self, slot: u64) -> Option<usize> {
        // One after the other: each slot is looked for once.
        self.bindings
            .iter()
            .position(|binding| binding.slot == slot)
    }
}
