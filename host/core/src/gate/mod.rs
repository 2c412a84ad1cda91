// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gates: the only way from a guest to a host of its own width in the same flat address space, and back.
//!
//! A slot leads to a stub of its own in the guest's memory, which names the function by its index and jumps to the gate. The
//! gate leaves the guest's stack, saves what the C ABI does not preserve, loads the control words of the C ABI, turns the
//! guest's alignment check off, and calls [`dispatch`](crate::guest). On the way back it jumps to a tail in the guest's memory.
//! Stubs and tail are guest code, the gate is the host's: what becomes pending before the tail, the tail finds; what comes from
//! its first instruction on interrupts it like any guest code. So no line is lost, and no flag has to say where the processor
//! is: its instruction pointer does.
//!
//! The control word is that of the unit that the ABI computes with: on x86-64 MXCSR, on i386 that of the x87 unit, which is also
//! emptied, since the guest may have left values and exceptions in it. The other one, if the processor has it, stays as the guest
//! has set it. When the guest is left, the host gets back what it had: on x86-64 both, on i386 that of the x87 unit.

#[cfg_attr(target_arch = "x86", path = "i386.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;
mod state;

use alloc::vec::Vec;
use core::arch::asm;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use paravirt_abi::signature::Signature;
#[cfg(target_arch = "x86")]
use paravirt_abi::signature::Type;

pub(crate) use machine::{Frame, ResolverFrame};
pub(crate) use state::STATE;

use crate::image::Machine;
use crate::legacy::Selectors;
use crate::prototype;

/// The machine whose guests these gates are for: the host's own.
#[cfg(target_arch = "x86")]
pub(crate) const MACHINE: Machine = Machine::I386;
/// The machine whose guests these gates are for: the host's own.
#[cfg(target_arch = "x86_64")]
pub(crate) const MACHINE: Machine = Machine::X86_64;

/// Bytes per stub.
const STUB: usize = 16;
/// Size of a pointer in bytes.
const POINTER: usize = size_of::<usize>();
/// Alignment check, a flag that user mode may set: then every access of host code would have to be aligned.
const ALIGNMENT_CHECK: u32 = 1 << 18;
/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
const NO_FLAGS: u32 = 1 << 1;
/// The breakpoint instruction, where no code is.
const INT3: u8 = 0xcc;

unsafe extern "C" {
    fn pvh_gates_enter(entry: usize, start_info: usize, end: *const u64);
    fn pvh_gates_call();
    fn pvh_gates_resolve();
    fn pvh_gates_leave();
    fn pvh_gates_function(function: usize, frame: *mut Frame, words: usize);
    static pvh_gates_start: u8;
    static pvh_gates_end: u8;
    static pvh_gates_left: u8;
    static pvh_tail_start: u8;
    static pvh_tail_end: u8;
}

/// Where the parts of the code in the guest's memory are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    stubs: usize,
    /// The resolver of lazy binding.
    pub(crate) resolver: usize,
    tail: usize,
}

impl Code {
    /// Size in bytes of the code for `count` functions.
    pub(crate) fn size(count: usize) -> usize {
        2 * POINTER + (count + 1) * STUB + tail().len()
    }

    /// The code for `count` functions, for the address `at`: two words with the gates' addresses, the stubs, the resolver's,
    /// the tail.
    pub(crate) fn write(at: usize, count: usize) -> (Self, Vec<u8>) {
        let stubs = at + 2 * POINTER;
        let resolver = stubs + count * STUB;
        let code = Self {
            stubs,
            resolver,
            tail: resolver + STUB,
        };
        let mut bytes = Vec::with_capacity(Self::size(count));
        for gate in [
            pvh_gates_call as *const () as usize,
            pvh_gates_resolve as *const () as usize,
        ] {
            bytes.extend(gate.to_le_bytes());
        }
        for index in 0..count {
            bytes.extend(machine::stub(code.stub(index), index as u32, at));
        }
        bytes.extend(machine::jump(resolver, at + POINTER));
        bytes.extend(tail());
        (code, bytes)
    }

    /// Address of the stub of the function of that index.
    pub(crate) const fn stub(self, index: usize) -> usize {
        self.stubs + index * STUB
    }

    /// Tells the gates about the guest that is to run.
    pub(crate) fn publish(self, page: u64) {
        STATE.tail.store(self.tail, Ordering::SeqCst);
        STATE.page.store(page as usize, Ordering::SeqCst);
    }
}

fn tail() -> &'static [u8] {
    let (start, end) = (&raw const pvh_tail_start, &raw const pvh_tail_end);
    // SAFETY: the tail is the read-only memory between its two labels.
    unsafe { slice::from_raw_parts(start, end as usize - start as usize) }
}

/// Enters the guest with the address of the start info; returns when it is left, or at once if `end` is not 0.
///
/// # Safety
/// `STATE` tells of this guest, which is mapped and bound.
pub(crate) unsafe fn enter(entry: u64, start_info: u64, end: &AtomicU64) {
    // SAFETY: the caller's; the assembly keeps what the ABI preserves.
    unsafe { pvh_gates_enter(entry as usize, start_info as usize, end.as_ptr()) }
}

/// The host's selectors, the guest's as well.
pub(crate) fn selectors() -> Selectors {
    let (ds, fs): (u16, u16);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            "mov {0:x}, ds",
            "mov {1:x}, fs",
            out(reg) ds,
            out(reg) fs,
            options(nomem, nostack, preserves_flags),
        );
    }
    Selectors { ds, fs }
}

/// Address at which a handler continues to leave the guest.
pub(crate) fn leave_address() -> u64 {
    pvh_gates_leave as *const () as u64
}

/// Whether the thread that was interrupted at `address` is leaving the guest.
pub(crate) fn is_leaving(address: u64) -> bool {
    (leave_address()..&raw const pvh_gates_left as u64).contains(&address)
}

/// Whether the thread that was interrupted at `address` runs a gate's own code, which holds nothing that leaving does not
/// restore.
pub(crate) fn in_gate(address: u64) -> bool {
    let (start, end) = (&raw const pvh_gates_start, &raw const pvh_gates_end);
    (start as u64..end as u64).contains(&address)
}

/// Calls a host function with the guest's arguments and leaves its result in the frame.
///
/// # Safety
/// The function has that prototype and the C ABI; the frame is a gate's, and the guest's arguments on the stack are readable.
pub(crate) unsafe fn call(function: usize, frame: &mut Frame, signature: Signature) {
    #[cfg(target_arch = "x86")]
    {
        frame.returns_float = matches!(signature.result(), Type::F32 | Type::F64).into();
    }
    let words = prototype::stack_bytes(signature, MACHINE.width()) as usize / POINTER;
    // SAFETY: the caller's.
    unsafe { pvh_gates_function(function, frame, words) };
}
