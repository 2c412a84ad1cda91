// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signals behind the lines.

use paravirt_abi::line;

use super::console;
use super::syscall::{
    __paravirt_linux_restore, ACTION_FLAGS, FLAGS, INSTRUCTION, MASK, REGISTERS, RT_SIGACTION, RT_SIGPROCMASK,
    SEGMENTS, SIG_UNBLOCK, SIGALTSTACK, SIGNAL_CONSOLE, SIGNAL_TIMER, SIGNALS, STACK_POINTER, SignalAction,
    SignalStack, syscall3, syscall4,
};
use crate::backend::entry::{self, Return};
use crate::backend::{lines, timers};

/// Unblocks the signals.
pub(super) fn open() {
    let set = SIGNALS;
    // SAFETY: a set of 8 bytes, which lives through the call.
    unsafe { syscall4(RT_SIGPROCMASK, SIG_UNBLOCK, &raw const set as usize, 0, 8) };
}

/// Bytes of the stack for signals, beside the interrupted one. What the kernel puts there depends on the processor: 3
/// KiB with AVX-512, 11 KiB with AMX, where a stack of the guest may have 4 KiB. And there the frame of an upcall would
/// overwrite it, before the kernel takes the registers from it. The signals are blocked in their handler, so one stack
/// is enough.
pub(super) const STACK: usize = 64 << 10;

/// Has signals come on the stack that begins there.
pub(super) fn set_stack(start: usize) {
    let stack = SignalStack {
        start,
        flags: 0,
        size: STACK,
    };
    // SAFETY: memory that nobody else uses; the description lives through the call.
    unsafe { syscall3(SIGALTSTACK, &raw const stack as usize, 0, 0) };
}

/// Installs the handler of both signals.
pub(super) fn start() {
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE && unmasked {
            console::announce_input();
        }
    });
    let action = SignalAction {
        handler: handle,
        flags: ACTION_FLAGS,
        restorer: __paravirt_linux_restore,
        mask: SIGNALS,
    };
    for signal in [SIGNAL_TIMER, SIGNAL_CONSOLE] {
        // SAFETY: the kernel's sigaction with a set of 8 bytes, which lives through the call.
        unsafe { syscall4(RT_SIGACTION, signal as usize, &raw const action as usize, 0, 8) };
    }
}

/// The signal handler. It marks the line; with interrupts on it leaves through the upcall entry, else with the signals
/// blocked.
extern "C" fn handle(signal: u32, _info: *const u8, context: *mut u8) {
    if signal == SIGNAL_TIMER {
        // SAFETY: the entry of signals.
        unsafe { timers::expire() };
    } else {
        lines::signal(line::CONSOLE);
    }
    // SAFETY: the kernel passes the context that it restores when this handler returns.
    unsafe {
        match entry::leave() {
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
