// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entering the guest, and leaving it for good.

use std::arch::global_asm;

use paravirt_abi::signature::Width;

use super::super::state::{self, GUEST_END, STATE};
use super::{DEFAULT_MXCSR, NO_FLAGS, act};

unsafe extern "sysv64" {
    /// Enters the guest; returns when it is left by `pv_leave`.
    fn pv_enter(entry: u64, start_info: u64, is_32_bit: u64);
    /// Where a signal handler continues to leave the guest. Not a function: it returns from `pv_enter`.
    fn pv_leave();
    // Made by the linker for sections whose names are identifiers.
    static __start_pv_gates: u8;
    static __stop_pv_gates: u8;
    static __start_pv_gates_rare: u8;
    static __stop_pv_gates_rare: u8;
}

/// Enters the guest at `entry` with the address of the start info; returns when a gate or a signal handler left it.
///
/// # Safety
/// `STATE` is set up for this thread, the guest is mapped, and signals are handled.
pub(in crate::process) unsafe fn enter(entry: u64, start_info: u64, width: Width) {
    // SAFETY: the caller's; the assembly keeps what the ABI preserves.
    unsafe { pv_enter(entry, start_info, u64::from(width == Width::Bits32)) }
}

/// Address at which a signal handler continues to leave the guest.
pub(in crate::process) fn leave_address() -> u64 {
    pv_leave as *const () as u64
}

/// Whether the thread that was interrupted at `address` may be sent to [`leave_address`]: it runs guest code, or a gate's
/// own, which holds nothing that `pv_leave` does not restore.
pub(in crate::process) fn may_leave_at(address: u64) -> bool {
    let gates = [
        (&raw const __start_pv_gates, &raw const __stop_pv_gates),
        (
            &raw const __start_pv_gates_rare,
            &raw const __stop_pv_gates_rare,
        ),
    ];
    address < GUEST_END
        || gates
            .into_iter()
            .any(|(start, end)| (start as u64..end as u64).contains(&address))
}

global_asm!(
    ".pushsection pv_gates, \"ax\", @progbits",
    ".globl pv_enter",
    ".type pv_enter, @function",
    "pv_enter:",
    "pushq %rbp",                              // what our ABI preserves
    "pushq %rbx",
    "pushq %r12",
    "pushq %r13",
    "pushq %r14",
    "pushq %r15",
    "subq $8, %rsp",                           // aligned to 16 bytes
    "movq %rsp, {state}+{host_stack}(%rip)",   // gates start here
    act!(),
    "movq %rdi, %rcx",                         // entry point
    "movq %rsi, %r9",                          // start info
    "movq %rdx, %r8",                          // 32 bits?
    "xorl %eax, %eax",                         // the guest starts with fs base 0
    "testl $1, {state}+{fsgsbase}(%rip)",      // may user mode change it?
    "jz 2f",
    "wrfsbase %rax",
    "jmp 3f",
    "2: movq %rcx, %rbx",                      // (a system call changes rcx)
    "movl $158, %eax",                         // arch_prctl
    "movl $0x1002, %edi",                      // ARCH_SET_FS
    "xorl %esi, %esi",
    "syscall",
    "movq %rbx, %rcx",
    "3: movl ${magic}, %eax",                  // the registers that carry something
    "movq %r9, %rdx",
    "testq %r8, %r8",
    "jnz 4f",
    "xorl %ebx, %ebx",                         // and those that do not
    "xorl %ebp, %ebp",
    "xorl %esi, %esi",
    "xorl %edi, %edi",
    "xorl %r8d, %r8d",
    "xorl %r9d, %r9d",
    "xorl %r10d, %r10d",
    "xorl %r11d, %r11d",
    "xorl %r12d, %r12d",
    "xorl %r13d, %r13d",
    "xorl %r14d, %r14d",
    "xorl %r15d, %r15d",
    "xorl %esp, %esp",                         // a guest that uses it before it has a stack finds out
    "jmpq *%rcx",
    "4: movl %ecx, {state}+{target}(%rip)",
    "movl ${data}, %ecx",                      // flat data segments for 32-bit code
    "movl %ecx, %ds",
    "movl %ecx, %es",
    "movl %ecx, %ss",
    "xorl %ebx, %ebx",
    "xorl %ecx, %ecx",
    "xorl %ebp, %ebp",
    "xorl %esi, %esi",
    "xorl %edi, %edi",
    "xorl %esp, %esp",
    "ljmpl *{state}+{target}(%rip)",
    ".size pv_enter, . - pv_enter",

    ".globl pv_leave",
    ".type pv_leave, @function",
    "pv_leave:",
    "movq {state}+{host_stack}(%rip), %rsp",   // the stack as pv_enter left it
    "pushq ${no_flags}",                       // none of the guest's
    "popfq",
    "testl $1, {state}+{fsgsbase}(%rip)",
    "jz 5f",
    "movq {state}+{host_fs}(%rip), %rax",
    "wrfsbase %rax",
    "jmp 6f",
    "5: movl $158, %eax",                      // arch_prctl
    "movl $0x1002, %edi",                      // ARCH_SET_FS
    "movq {state}+{host_fs}(%rip), %rsi",
    "syscall",
    "6: fninit",                               // control words of host code
    "ldmxcsr {default_mxcsr}(%rip)",
    "xorl %eax, %eax",
    "movl %eax, %gs",                          // in case the guest used it for thread-local storage
    "addq $8, %rsp",
    "popq %r15",
    "popq %r14",
    "popq %r13",
    "popq %r12",
    "popq %rbx",
    "popq %rbp",
    "retq",
    ".size pv_leave, . - pv_leave",
    ".popsection",
    state = sym STATE,
    default_mxcsr = sym DEFAULT_MXCSR,
    host_stack = const state::HOST_STACK,
    host_fs = const state::HOST_FS,
    target = const state::TARGET_32,
    action = const state::ACTION,
    fsgsbase = const state::FSGSBASE,
    stop = const state::STOP,
    returning = const state::RETURNING,
    no_flags = const NO_FLAGS,
    data = const state::DATA,
    magic = const paravirt_abi::start::MAGIC,
    options(att_syntax),
);
