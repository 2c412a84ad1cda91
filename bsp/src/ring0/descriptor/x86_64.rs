// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptor tables on x86-64. Exceptions get a stack of their own, so that an overflow of the guest's can be
//! reported.

use core::arch::asm;

use paravirt_abi::error::Error;

use super::super::processor::write_msr;
use super::{CODE, EXCEPTIONS, entry_of, load_gates};
use crate::local::Local;

/// The segments: none, code, data, and the two words of the task state.
pub(in super::super) static SEGMENTS: Local<[u64; 5]> =
    Local::new([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0]);
/// Selector of the task state.
const TASK: u16 = 0x18;

/// The task state (Intel SDM volume 3, 8.7), of which only one entry of the interrupt stack table is used.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    stacks: [u64; 3],
    reserved2: u64,
    interrupt_stacks: [u64; 7],
    reserved3: u64,
    reserved4: u16,
    /// Offset of the port bitmap; beyond the segment's end: none.
    ports: u16,
}

static TASK_STATE: Local<TaskState> = Local::new(TaskState {
    reserved: 0,
    stacks: [0; 3],
    reserved2: 0,
    interrupt_stacks: [0; 7],
    reserved3: 0,
    reserved4: 0,
    ports: size_of::<TaskState>() as u16,
});

/// The stack on which faults are reported.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Stack([u8; 8192]);

static FAULT_STACK: Local<Stack> = Local::new(Stack([0; 8192]));

pub(super) type Gate = [u64; 2];
pub(super) const NO_GATE: Gate = [0; 2];

/// A gate to the entry of a vector that clears the interrupt flag. Exceptions go to the first stack of the task state,
/// interrupts stay on the interrupted one.
pub(super) fn gate(vector: usize) -> Gate {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let (entry, stack) = (entry_of(vector) as u64, u64::from(vector < EXCEPTIONS));
    let low =
        entry & 0xffff | u64::from(CODE) << 16 | stack << 32 | PRESENT_INTERRUPT_GATE | (entry >> 16 & 0xffff) << 48;
    [low, entry >> 32]
}

/// Loads task state and gates. The segments are loaded by the image's entry point.
pub(crate) fn load() {
    let mut task = TASK_STATE.get();
    task.interrupt_stacks[0] = (FAULT_STACK.as_ptr() as usize + size_of::<Stack>()) as u64;
    // SAFETY: at the start, before the first interrupt.
    unsafe { TASK_STATE.set_large(task) };
    let base = TASK_STATE.as_ptr() as u64;
    let mut segments = SEGMENTS.get();
    // An available 64-bit task state (Intel SDM volume 3, 8.2.3).
    segments[3] =
        (size_of::<TaskState>() as u64 - 1) | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
    segments[4] = base >> 32;
    // SAFETY: at the start, before the first interrupt.
    unsafe { SEGMENTS.set_large(segments) };
    load_gates();
    // SAFETY: the segment was just made.
    unsafe { asm!("ltr {:x}", in(reg) TASK, options(nostack, preserves_flags)) };
}

/// Sets the base of thread-local storage: the base of fs.
///
/// # Errors
/// The address is not canonical, which the processor would refuse.
///
/// # Safety
/// Code that uses thread-local storage must find at `base` what its ABI asks for. In ring 0.
pub unsafe fn set_tls(base: usize) -> Result<(), Error> {
    const FS_BASE: u32 = 0xc000_0100;
    let sign = base as i64 >> 47;
    if sign != 0 && sign != -1 {
        return Err(Error::InvalidArgument);
    }
    // SAFETY: every processor with long mode has the register; a canonical address; no Rust code for this target uses
    // fs.
    unsafe { write_msr(FS_BASE, base as u64) };
    Ok(())
}
