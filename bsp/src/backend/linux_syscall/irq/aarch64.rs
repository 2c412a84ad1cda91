// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a signal to the upcall entry on AArch64: the handler copies the frame that the kernel has made to the
//! interrupted stack, and goes on there. The kernel takes the registers from that copy when the upcall is over.

use core::mem::offset_of;

use paravirt_abi::aarch64::{FPSIMD_MAGIC, UpcallFrame};

use super::take;
use crate::backend::entry::Return;
use crate::backend::linux_syscall::syscall::SIGNALS;

/// Offset of the context in the frame.
const CONTEXT: usize = offset_of!(UpcallFrame, context);
/// Offset of the records, of which that of floating point is one.
const RECORDS: usize = offset_of!(UpcallFrame, magic);
/// Bytes of that record.
const RECORD: usize = offset_of!(UpcallFrame, end) - RECORDS;
/// Bytes in which the kernel puts records (`__reserved` in `asm/sigcontext.h`).
const ROOM: usize = 4096;

asm_function! {
    "__paravirt_linux_signal", align: 4;
    "    .cfi_startproc",
    "    stp x29, x30, [sp, #-16]!",
    "    .cfi_def_cfa_offset 16",
    "    .cfi_offset x29, -16",
    "    .cfi_offset x30, -8",
    "    mov x29, sp",
    "    bl {enter}",
    "    ldp x29, x30, [sp], #16",
    "    .cfi_def_cfa_offset 0",
    "    .cfi_restore x29",
    "    .cfi_restore x30",
    "    cbz x0, 1f",
    "    mov sp, x0",                 // the stack of signals is free again
    "    b __paravirt_upcall",
    "1:  ret",                        // to the kernel
    "    .cfi_endproc";
    enter = sym enter,
}

unsafe extern "C" {
    #[link_name = "__paravirt_linux_signal"]
    pub(super) safe fn handle(signal: u32, info: *const u8, context: *mut u8);
}

/// What the signal handler begins with. It marks the line. With interrupts on, the result is the frame on the
/// interrupted stack with which to go on at the upcall entry; else 0, and the signals stay blocked if something is
/// pending.
///
/// # Safety
/// `context` must be the `ucontext` of a signal, in the frame that the kernel has made.
unsafe extern "C" fn enter(signal: u32, _info: *const u8, context: *mut u8) -> *mut UpcallFrame {
    let how = take(signal);
    let frame = context.wrapping_sub(CONTEXT).cast::<UpcallFrame>();
    // SAFETY: the kernel restores the context when the handler returns. Below the interrupted stack pointer the guest
    // keeps nothing. The records are in their room, each with its size, up to one of size 0.
    unsafe {
        match how {
            Return::AsItWas => core::ptr::null_mut(),
            Return::Closed => {
                (*frame).signal_mask |= SIGNALS;
                core::ptr::null_mut()
            }
            Return::Upcall => {
                let copy = (((*frame).sp as usize & !15) - size_of::<UpcallFrame>()) as *mut UpcallFrame;
                let from = frame.cast::<u8>();
                let to = copy.cast::<u8>();
                to.copy_from_nonoverlapping(from, RECORDS);
                to.add(RECORDS)
                    .copy_from_nonoverlapping(floating_point(from.add(RECORDS)), RECORD);
                (*copy).end = [0; 2];
                copy
            }
        }
    }
}

/// The record of floating point among the records; every frame has one.
///
/// # Safety
/// `records` must be those of a frame.
unsafe fn floating_point(records: *const u8) -> *const u8 {
    let mut at = 0;
    while at <= ROOM - RECORD {
        // SAFETY: inside the room.
        let [magic, size] = unsafe { records.add(at).cast::<[u32; 2]>().read() };
        if magic == FPSIMD_MAGIC {
            return records.wrapping_add(at);
        }
        if size == 0 {
            break;
        }
        at += size as usize;
    }
    records
}
