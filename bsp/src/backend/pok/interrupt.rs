// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts by the calls of the fork (phipse/pok, 2013: kernel/core/syscall.c, kernel/arch/x86/x86-qemu-vmm/bsp.c),
//! of which the guest can use that of the interval timer, for idle.
//!
//! The kernel enters a partition's handler in user mode, on the interrupted stack. It puts the registers below the
//! stack pointer and, in the place of the word that the stack pointer points at, the address of the interrupted
//! instruction. That word is lost, so whoever is interrupted must not need it. Code of a compiler always does. Hence
//! interrupts are on here only, around a loop that has nothing to lose, and everywhere else lines are found by looking,
//! as on a kernel without these calls.
//!
//! What else the kernel does, and what follows:
//!
//! * It keeps no interrupt that comes while the partition has them off or another partition runs. That of the timer
//!   comes again.
//! * It ends the interrupt of the timer at the interrupt controller, for its own clock, but of no other device: a
//!   second one would never come. So the lines of devices are left alone.
//! * It delivers also to a partition whose threads all sleep, and then writes to wherever its own stack makes it. So
//!   interrupts are off whenever the partition sleeps, ends or computes, and before the handler is known.
//! * Its call 26, to unregister a handler, masks the line if no partition has a handler, whether the kernel has one or
//!   not: that would stop the clock of the whole node. It is not made.

use super::syscall::{Arguments, IRQ_ACKNOWLEDGE, IRQ_DISABLE, IRQ_ENABLE, IRQ_REGISTER, OK, call};
use crate::power;

/// The kernel's number of the interval timer's line.
const TIMER: u32 = 0;

unsafe extern "C" {
    fn __paravirt_pok_wait(line: *const Arguments);
    fn __paravirt_pok_interrupted();
}

/// Registers the handler, with interrupts off. For the start of the backend, on a kernel with these calls.
pub(super) fn start() {
    // SAFETY: the argument is not used; a line and the address of a handler that is entered as the kernel does. The
    // kernel counts how often interrupts were turned off, and begins with 0.
    let registered = unsafe {
        call(IRQ_DISABLE, [0]);
        call(
            IRQ_REGISTER,
            [TIMER, __paravirt_pok_interrupted as *const () as usize as u32],
        )
    };
    if registered != OK {
        power::fatal(
            format_args!("POK refuses a handler of its timer's interrupts ({registered})"),
            1,
        );
    }
}

/// Waits for the timer's next interrupt, which takes up to a millisecond. Only after [`start`].
pub(super) fn wait() {
    let line = Arguments::new([TIMER]);
    // SAFETY: the handler is registered, interrupts are off, and the block lives through the call.
    unsafe { __paravirt_pok_wait(&raw const line) };
}

// The loop runs with nothing on the stack but a word to lose. What the kernel saved of it is not needed: the handler
// goes on for it. Interrupts are turned off again before the kernel is told that it may deliver the next one, so the
// handler is not interrupted itself.
asm_function! {
    "__paravirt_pok_wait", align: 1;
    "    .cfi_startproc",
    push!(ebp ebx esi edi),                // what the C ABI wants back
    "    movl 20(%esp), %ebx",             // the argument: the system calls' block, which holds the line
    "    pushl %ebx",                      // for the handler, as the kernel passes no register of ours on
    "    pushl $0",                        // the word to lose
    "    .cfi_adjust_cfa_offset 8",
    "    movl ${enable}, %eax",
    "    int $42",
    "2:  pause",
    "    jmp 2b",                          // until the handler goes on for us
    // Here the kernel enters: 11 words below the stack pointer of above.
    "__paravirt_pok_interrupted:",
    "    .cfi_adjust_cfa_offset 44",
    "    addl $48, %esp",                  // the kernel's words and the lost one
    "    .cfi_adjust_cfa_offset -48",
    "    popl %ebx",                       // the block
    "    .cfi_adjust_cfa_offset -4",
    "    movl ${disable}, %eax",
    "    int $42",
    "    movl ${acknowledge}, %eax",
    "    int $42",
    pop!(edi esi ebx ebp),
    "    ret",
    "    .cfi_endproc";
    enable = const IRQ_ENABLE,
    disable = const IRQ_DISABLE,
    acknowledge = const IRQ_ACKNOWLEDGE,
    options(att_syntax),
}
