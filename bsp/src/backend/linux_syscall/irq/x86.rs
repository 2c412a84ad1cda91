// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a signal to the upcall entry on x86: the handler returns there.

use super::take;
use crate::backend::entry::Return;
use crate::backend::linux_syscall::syscall::{FLAGS, INSTRUCTION, MASK, REGISTERS, SEGMENTS, SIGNALS, STACK_POINTER};

/// The signal handler. It marks the line; with interrupts on it leaves through the upcall entry, else with the signals
/// blocked.
pub(super) extern "C" fn handle(signal: u32, _info: *const u8, context: *mut u8) {
    let how = take(signal);
    // SAFETY: the kernel passes the context that it restores when this handler returns.
    unsafe {
        match how {
            Return::AsItWas => {}
            Return::Closed => {
                let mask = context.add(MASK).cast::<u64>();
                mask.write_unaligned(mask.read_unaligned() | SIGNALS);
            }
            Return::Upcall => enter_upcall(context),
        }
    }
}

unsafe extern "C" {
    static __paravirt_upcall: u8;
}

/// Builds the frame that the processor would push, and makes the context continue at the upcall entry.
///
/// # Safety
/// `context` must be the `ucontext` of a signal that interrupted the guest with interrupts on.
unsafe fn enter_upcall(context: *mut u8) {
    let entry = &raw const __paravirt_upcall as usize;
    // SAFETY: the registers lie in the context; below the interrupted stack pointer and its red zone the guest keeps
    // nothing.
    unsafe {
        let registers = context.add(REGISTERS).cast::<usize>();
        let interrupted = registers.add(STACK_POINTER).read();
        let code_segment = registers.add(SEGMENTS).read() & 0xffff;
        #[cfg(target_arch = "x86_64")]
        let frame = {
            let stack_segment = registers.add(SEGMENTS).read() >> 48;
            let frame = ((interrupted - paravirt_abi::vcpu::RED_ZONE as usize) & !15) as *mut usize;
            let frame = frame.sub(5);
            frame.add(3).write(interrupted);
            frame.add(4).write(stack_segment);
            frame
        };
        #[cfg(target_arch = "x86")]
        let frame = (interrupted as *mut usize).sub(3);
        frame.write(registers.add(INSTRUCTION).read());
        frame.add(1).write(code_segment);
        frame.add(2).write(registers.add(FLAGS).read());
        registers.add(STACK_POINTER).write(frame as usize);
        registers.add(INSTRUCTION).write(entry);
    }
}
