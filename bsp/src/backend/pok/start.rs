// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a partition's entry point to a start info block.

use core::arch::asm;
use core::ffi::CStr;

use paravirt_abi::start::StartInfo;

use super::syscall::{
    __paravirt_pok_thread, INFINITE, OK, STATE_WAITING, THREAD_CREATE, THREAD_SLEEP, THREAD_STATUS, ThreadAttributes,
    become_thread, call,
};
use super::{interrupt, irq, kernel, timer};
use crate::backend::info;
use crate::start::{Entry, EntryPoint};
use crate::{power, upcall};

/// What POK puts in eax for every thread; all other registers but ebx, stack pointer and segments are zero.
const EAX: usize = 0xdead;
/// Unit of memory ranges in bytes.
const PAGE: u64 = 4096;

pub(super) fn detects(entry: &Entry) -> bool {
    entry.point == EntryPoint::Elf && entry.magic == EAX && entry.argument == 0
}

pub(super) fn start(entry: &Entry) -> &'static StartInfo {
    if !kernel::detect() {
        missing("GETTICK");
    }
    if !kernel::current().has_sse {
        upcall::without_sse();
    }
    timer::start_clock();
    irq::start();
    run_as_thread();
    if kernel::waits_for_interrupts() {
        interrupt::start();
    }
    // The stacks that POK has for its threads lie at the partition's end. That of the first thread was left at the
    // entry point, that of the second is never used.
    info::add_memory(0, (entry.stack as usize as u64) & !(PAGE - 1));
    info::set_command_line(command_line());
    info::finish(0)
}

/// Goes on as a thread of the partition's normal mode: in the mode that it starts in, the first thread runs on whether
/// it sleeps or not.
fn run_as_thread() {
    let attributes = ThreadAttributes {
        priority: 1,
        entry: __paravirt_pok_thread as *const () as usize,
        period: INFINITE,
        time_capacity: INFINITE,
        ..ThreadAttributes::default()
    };
    let mut thread: u32 = 0;
    // SAFETY: where the thread's number goes and what it is made of; both live through the call.
    let created = unsafe {
        call(
            THREAD_CREATE,
            [&raw mut thread as usize as u32, &raw const attributes as usize as u32],
        )
    };
    if created != OK {
        power::fatal(
            format_args!(
                "POK refuses a second thread ({created}): POK_CONFIG_PARTITIONS_NTHREADS must be 2 for this partition"
            ),
            1,
        );
    }
    if !kernel::waits_for_interrupts() {
        check_sleep(thread - 1);
    }
    // SAFETY: this is the first thread, on the image's stack, and the other was just created.
    let error = unsafe { become_thread() };
    if error != OK {
        power::fatal(format_args!("POK refuses the partition's normal mode ({error})"), 1);
    }
}

/// Makes sure that the kernel wakes sleepers: one that was configured without any locks does not, and the first idle
/// would never end. `thread` is the number of the first thread, which is the current one.
fn check_sleep(thread: u32) {
    let mut status = ThreadAttributes::default();
    // SAFETY: no time; a number and where the answer goes, which lives through the call.
    let sleep = unsafe {
        let sleep = call(THREAD_SLEEP, [0]);
        call(THREAD_STATUS, [thread, &raw mut status as usize as u32]);
        sleep
    };
    if sleep != OK {
        missing("THREAD_SLEEP");
    }
    if status.state == STATE_WAITING {
        missing("LOCKOBJECTS");
    }
}

fn missing(setting: &str) -> ! {
    power::fatal(
        format_args!("this POK kernel has no clock or cannot sleep: its configuration must define POK_NEEDS_{setting}"),
        1,
    )
}

/// POK passes no command line; the image may bring one, see `linkcmds/README.md`.
fn command_line() -> &'static [u8] {
    let text: *const core::ffi::c_char;
    // SAFETY: loads an address; 0 where the image does not define the symbol.
    unsafe {
        asm!(
            ".weak paravirt_command_line",
            "mov {text}, offset paravirt_command_line",
            text = out(reg) text,
            options(nomem, nostack, preserves_flags),
        );
    }
    if text.is_null() {
        return &[];
    }
    // SAFETY: whoever defines the symbol makes it a constant, NUL-terminated string.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}
