// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the guest was left, and its registers then, for who explains its end: kept by the assembly that leaves it and
//! by the handlers that send it there. A steady call knows nothing of it.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use paravirt_abi::signature::Width;

use super::machine::is_enter;
use super::{Frame, STATE, is_gate};

/// Size in bytes of what FXSAVE stores (Intel SDM volume 1, 10.5.1).
const UNITS: usize = 512;

/// Nowhere: it was not entered, or runs.
const NOWHERE: u32 = 0;
/// In a call of the host: the gate's frame is kept.
pub(super) const IN_CALL: u32 = 1;
/// At a gate's first or last instructions, where the registers are the guest's and the stack pointer points to the
/// return address.
const AT_GATE: u32 = 2;
/// The same, but with the host's stack already; the guest's is in r10.
const ON_HOSTS_STACK: u32 = 3;
/// In its own code.
const INTERRUPTED: u32 = 4;

/// Bytes that a gate pushes below its frame and takes again.
const PUSHED: u64 = 8;

/// What is kept.
#[repr(C, align(16))]
pub(super) struct Left {
    /// State of the x87 unit and SSE.
    pub(super) units: [AtomicU64; UNITS / 8],
    /// In the order of [`Registers::general`](crate::fault::Registers::general).
    pub(super) general: [AtomicU64; 16],
    pub(super) frame: UnsafeCell<MaybeUninit<Frame>>,
    pub(super) place: AtomicU32,
    instruction: AtomicU64,
    flags: AtomicU64,
}

// SAFETY: the frame is written and read by the vCPU's thread only, of which there is one.
unsafe impl Sync for Left {}

/// The one instance.
pub(super) static LEFT: Left = Left {
    units: [const { AtomicU64::new(0) }; UNITS / 8],
    general: [const { AtomicU64::new(0) }; 16],
    frame: UnsafeCell::new(MaybeUninit::uninit()),
    place: AtomicU32::new(NOWHERE),
    instruction: AtomicU64::new(0),
    flags: AtomicU64::new(0),
};

/// Where a guest was left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// In the order of [`Registers::general`](crate::fault::Registers::general). Of a call, those that it does not
    /// preserve are 0 unless they are its arguments.
    pub(crate) general: [u64; 16],
    /// The next instruction; `None`: it is in a call, and the stack pointer points to the return address.
    pub(crate) instruction: Option<u64>,
    /// The flags.
    pub(crate) flags: u64,
    /// State of the x87 unit and SSE as FXSAVE stores it, which calls do not preserve.
    pub(crate) units: Option<[u8; UNITS]>,
}

/// A guest is about to be entered.
pub(super) fn forget() {
    LEFT.place.store(NOWHERE, Ordering::SeqCst);
}

/// A handler that has interrupted this is about to send the thread to where the guest is left.
pub(crate) fn note(instruction: u64, stack: u64, flags: u64) {
    // It is there already, and is sent there once more.
    if LEFT.place.load(Ordering::SeqCst) != NOWHERE {
        return;
    }
    let top = STATE.host_stack.load(Ordering::SeqCst) as u64;
    let frame = top.wrapping_sub(size_of::<Frame>() as u64);
    let place = if !is_gate(instruction) {
        INTERRUPTED
    } else if (frame.saturating_sub(PUSHED)..=frame).contains(&stack) {
        // SAFETY: the gate's frame on the host's stack, which is live; of plain words, any values are valid.
        unsafe { (*LEFT.frame.get()).as_mut_ptr().copy_from(frame as *const Frame, 1) };
        IN_CALL
    } else if stack != top {
        AT_GATE
    } else if is_enter(instruction) {
        return;
    } else {
        ON_HOSTS_STACK
    };
    LEFT.instruction.store(instruction, Ordering::SeqCst);
    LEFT.flags.store(flags, Ordering::SeqCst);
    LEFT.place.store(place, Ordering::SeqCst);
}

/// Where the last guest, of that width, was left; `None` if it was not entered.
pub(crate) fn place(width: Width) -> Option<Place> {
    let mut general = LEFT.general.each_ref().map(|word| word.load(Ordering::SeqCst));
    let mut flags = LEFT.flags.load(Ordering::SeqCst);
    let place = LEFT.place.load(Ordering::SeqCst);
    match place {
        NOWHERE => return None,
        IN_CALL => {
            // SAFETY: written by who has set the place.
            let frame = unsafe { (*LEFT.frame.get()).assume_init_ref() };
            frame.restore(width, &mut general);
            flags = frame.flags();
        }
        ON_HOSTS_STACK => general[7] = general[10],
        _ => {}
    }
    let mut units = [0; UNITS];
    for (bytes, word) in units.chunks_exact_mut(8).zip(&LEFT.units) {
        bytes.copy_from_slice(&word.load(Ordering::SeqCst).to_le_bytes());
    }
    Some(Place {
        general,
        instruction: (place == INTERRUPTED).then(|| LEFT.instruction.load(Ordering::SeqCst)),
        flags,
        units: (place == INTERRUPTED).then_some(units),
    })
}
