// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gates to host functions.

use core::sync::atomic::Ordering;

use paravirt_abi::signature::{Signature, Width};

use super::{Frame, Guest, Platform};
use crate::fault::{Cause, Record};
use crate::gate::{ResolverFrame, STATE};
use crate::image::pointer_size;

/// Index of no function: an image cannot hold as many.
pub(super) const NO_CALL: u32 = u32::MAX;

/// The host function behind an external function of the guest; bindings have the order of the image's externals.
///
/// Aligned, so that a call finds it by a shift, and in one line of the cache.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Binding<F> {
    /// Address of its slot.
    pub(super) slot: u64,
    /// Where the slot leads once it is bound: the function's stub, or a shim before it.
    pub(super) entry: u64,
    /// The host's function, `None` if nobody provides it.
    pub(super) function: Option<F>,
    /// How it is called.
    pub(super) prototype: Signature,
    /// Bytes of its arguments on the guest's stack.
    pub(super) stack_bytes: u64,
}

/// Calls the host function of that index, see [`HostCall`](crate::gate::HostCall).
///
/// # Safety
/// For the gates only: on the vCPU's thread while a guest of that platform runs, with a frame that is theirs.
pub(super) unsafe extern "C" fn host_call<P: Platform>(index: usize, frame: *mut Frame) -> *const u64 {
    // SAFETY: the guest outlives its run; the frame is the gate's, which does not touch it meanwhile.
    let (guest, frame) = unsafe { (current::<P>(), &mut *frame) };
    guest.enter_host();
    guest.call(index, frame);
    guest.leave_host();
    guest.end.as_ptr()
}

/// Fills a slot on its first call, see [`Resolve`](crate::gate::Resolve).
///
/// # Safety
/// As for [`host_call`].
pub(super) unsafe extern "C" fn resolve<P: Platform>(frame: *mut ResolverFrame) -> *const u64 {
    // SAFETY: as for `host_call`.
    let (guest, frame) = unsafe { (current::<P>(), &mut (*frame).frame) };
    guest.enter_host();
    guest.resolve(frame);
    guest.leave_host();
    guest.end.as_ptr()
}

/// # Safety
/// A guest of that platform runs, and the reference is not used after its end.
unsafe fn current<'a, P: Platform>() -> &'a Guest<P> {
    // SAFETY: a guest that runs is not dropped; the rest is the caller's.
    unsafe { &*STATE.guest.load(Ordering::Relaxed).cast() }
}

impl<P: Platform> Guest<P> {
    #[inline]
    fn call(&self, index: usize, frame: &mut Frame) {
        let Some(binding) = self.bindings.get(index) else {
            return self.refuse(Cause::WildCall, frame);
        };
        let Some(function) = &binding.function else {
            return self.refuse(Cause::Unbound(index as u32), frame);
        };
        let bytes = binding.stack_bytes;
        let before = Frame::return_address_size(self.width);
        if bytes != 0 && !self.memory.readable(frame.stack_pointer(), before + bytes) {
            return self.refuse(Cause::Arguments(index as u32), frame);
        }
        self.last_call.set(index as u32);
        P::call(self, function, binding.prototype, frame, bytes);
    }

    /// Index of the function that the guest has called last, if it has called one.
    pub(super) fn last_call(&self) -> Option<u32> {
        Some(self.last_call.get()).filter(|&index| index != NO_CALL)
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, cause: Cause, frame: &Frame) {
        self.record(Record::of_call(cause, frame.stack_pointer(), frame.link()));
    }

    fn resolve(&self, frame: &mut Frame) {
        // Above the two words that the thunk has pushed is the stack as the function finds it; its pointer may be
        // anything.
        let pushed = frame.stack_pointer();
        let word = self.pointer();
        let stack = pushed.wrapping_add(2 * word);
        // The second of them is the slot's address.
        let slot = pushed.checked_add(word).and_then(|at| self.memory.pointer(at, word));
        let index = slot.and_then(|slot| self.find(slot));
        let Some(index) = index else {
            return self.record(Record::of_call(Cause::WildResolve, stack, frame.link()));
        };
        let binding = &self.bindings[index];
        if binding.function.is_none() {
            return self.record(Record::of_call(Cause::Unbound(index as u32), stack, frame.link()));
        }
        self.fill_slot(binding);
        frame.result = binding.entry;
    }

    /// Makes the slot of that function lead to it.
    pub(super) fn fill_slot(&self, binding: &Binding<P::Function>) {
        let Binding { slot, entry, .. } = *binding;
        // SAFETY: the scanner found the slot in a writable segment, which is mapped, or it is a hook that was found to
        // be writable. Bytes have no alignment, nor have
        // slots of L4RTEMS.
        unsafe {
            match self.width {
                Width::Bits32 => {
                    (slot as *mut [u8; 4]).write_volatile((entry as u32).to_le_bytes());
                }
                Width::Bits64 => (slot as *mut [u8; 8]).write_volatile(entry.to_le_bytes()),
            }
        }
    }

    /// Index of the function of that slot: the slots are one table, in the order of the bindings, or two where an image
    /// has tables under both prefixes.
    fn find(&self, slot: u64) -> Option<usize> {
        let last = self.externals.checked_sub(1)?;
        let distance = |from: u64, to: u64| usize::try_from(to.checked_sub(from)? / self.pointer()).ok();
        let from_first = distance(self.bindings[0].slot, slot);
        let from_last = distance(slot, self.bindings[last].slot).and_then(|distance| last.checked_sub(distance));
        let mut candidates = [from_first, from_last].into_iter().flatten();
        let bindings = &self.bindings[..self.externals];
        candidates.find(|&index| bindings.get(index).is_some_and(|binding| binding.slot == slot))
    }

    /// Size of the guest's pointers in bytes.
    pub(super) const fn pointer(&self) -> u64 {
        pointer_size(self.width)
    }
}
