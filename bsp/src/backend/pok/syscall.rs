// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls of POK, by number, and the layouts they need (POK, version of January 2025:
//! kernel/include/core/syscall.h, kernel/include/core/thread.h, kernel/include/errno.h). The fork has the same,
//! but for what `kernel.rs` says.
//!
//! A call that the kernel was built without is an error of the partition, which ends in the kernel's error handler.

use core::arch::asm;

pub(super) const CONSOLE_WRITE: u32 = 10;
pub(super) const GET_CHARACTER: u32 = 11;
pub(super) const GET_TICK: u32 = 20;
pub(super) const IRQ_REGISTER: u32 = 25;
pub(super) const IRQ_ENABLE: u32 = 27;
pub(super) const IRQ_DISABLE: u32 = 28;
pub(super) const IRQ_ACKNOWLEDGE: u32 = 29;
pub(super) const THREAD_CREATE: u32 = 50;
pub(super) const THREAD_SLEEP: u32 = 52;
pub(super) const THREAD_SUSPEND: u32 = 53;
pub(super) const THREAD_STATUS: u32 = 59;
const PARTITION_SET_MODE: u32 = 404;
pub(super) const PARTITION_GET_ID: u32 = 405;

/// Result of a call that did what it was asked for; others are positive, too.
pub(super) const OK: u32 = 0;

/// Mode of a partition whose threads run.
const MODE_NORMAL: u32 = 3;
/// State of a thread that sleeps.
pub(super) const STATE_WAITING: u32 = 2;

/// The block that a call's arguments come in; its address must lie in the partition.
#[repr(C)]
pub(super) struct Arguments {
    count: u32,
    values: [u32; 5],
}

impl Arguments {
    pub(super) fn new<const N: usize>(given: [u32; N]) -> Self {
        const { assert!(N <= 5, "POK's calls have five arguments at most") };
        let mut values = [0; 5];
        values[..N].copy_from_slice(&given);
        Self {
            count: N as u32,
            values,
        }
    }
}

/// Makes a system call; [`OK`] or an error number.
///
/// # Safety
/// The arguments must be what the call of that number asks for; the kernel checks only that addresses lie in the
/// partition.
pub(super) unsafe fn call<const N: usize>(number: u32, arguments: [u32; N]) -> u32 {
    let block = Arguments::new(arguments);
    let result;
    // SAFETY: the caller answers for the arguments. The kernel reads the block, which lives through the call, and
    // restores every register but eax.
    unsafe {
        asm!("int 42", inlateout("eax") number => result, in("ebx") &raw const block);
    }
    result
}

/// What a thread is made of (`pok_thread_attr_t`), and what the kernel says about one.
#[derive(Default)]
#[repr(C)]
pub(super) struct ThreadAttributes {
    pub(super) priority: u8,
    pub(super) processor: u8,
    pub(super) entry: usize,
    pub(super) period: u64,
    pub(super) deadline: u64,
    pub(super) time_capacity: u64,
    pub(super) stack_size: u32,
    pub(super) state: u32,
}

const _: () = assert!(size_of::<ThreadAttributes>() == 40);

/// A thread's period and capacity where it has none.
pub(super) const INFINITE: u64 = u64::MAX;

unsafe extern "C" {
    /// Entry point of the thread that goes on where [`become_thread`] left off.
    pub(super) fn __paravirt_pok_thread();

    fn __paravirt_pok_become_thread(arguments: *const Arguments) -> u32;
}

// The partition's first thread ends with the call that sets the partition to its normal mode. The second one takes over
// its stack, so that for the code around it one call returns.
asm_function! {
    "__paravirt_pok_become_thread", align: 1;
    ".cfi_startproc",
    ".globl __paravirt_pok_thread",
    ".hidden __paravirt_pok_thread",
    push!(ebp ebx esi edi),                // what the C ABI wants back
    "    movl 20(%esp), %ebx",             // the argument: the system call's block
    "    movl %esp, 9f",                   // for the other thread
    "    movl ${set_mode}, %eax",
    "    int $42",
    "    jmp 2f",                          // refused: eax holds the reason
    "__paravirt_pok_thread:",
    "    movl 9f, %esp",                   // the stack of the image, as the first thread left it
    "    xorl %eax, %eax",
    "2:",
    pop!(edi esi ebx ebp),
    "    ret",
    ".cfi_endproc",
    ".pushsection .bss.paravirt_pok, \"aw\", @nobits",
    ".balign 4",
    "9:  .zero 4",                         // the stack pointer between the threads
    ".popsection";
    set_mode = const PARTITION_SET_MODE,
    options(att_syntax),
}

/// Sets the partition to its normal mode, in which the scheduler keeps to what threads ask for, and goes on as the
/// thread created with [`__paravirt_pok_thread`] as its entry point; [`OK`] or an error number.
///
/// # Safety
/// Only for the partition's first thread, on a stack of the image's own, once, after that other thread was created.
pub(super) unsafe fn become_thread() -> u32 {
    let block = Arguments::new([MODE_NORMAL]);
    // SAFETY: the block lives through the call; the caller answers for the rest.
    unsafe { __paravirt_pok_become_thread(&raw const block) }
}
