// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stays for a while in code of the other width, to which a far jump leads, with a timer that interrupts every
//! millisecond. There it cannot be interrupted: its handlers are code of its own width. What was due comes behind it.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use guest_checks::{SECOND, now};
use paravirt_bsp::println;
use paravirt_bsp::timer::Timer;

paravirt_bsp::image! { main: main }

const TIMER: Timer = Timer::new(1).expect("there are 8 timers");
/// In ns.
const PERIOD: u64 = 1_000_000;
/// So that it lasts many periods on any processor.
const LOOPS: u32 = 100_000_000;

static TOLD: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// Counts down in code of the other width.
    fn check_far(loops: u32);
}

fn count(_: Timer, expirations: u64) {
    TOLD.fetch_add(expirations, Ordering::Relaxed);
}

fn main() -> i32 {
    TIMER.attach(&count).expect("nobody else uses it");
    TIMER.start_ns(PERIOD, PERIOD).expect("a period in range");
    let start = now();
    // SAFETY: it keeps what the C ABI says is kept.
    unsafe { check_far(LOOPS) };
    let due = (now() - start) / PERIOD;
    let end = now() + SECOND;
    while TOLD.load(Ordering::Relaxed) < due && now() < end {
        core::hint::spin_loop();
    }
    let told = TOLD.load(Ordering::Relaxed);
    if due < 10 || told < due {
        println!("told {told} of {due}");
        return 1;
    }
    println!("back from code of the other width");
    0
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.check_far, \"ax\", @progbits",
    ".globl check_far",
    "check_far:",
    "pushq %rbx", // in 32-bit code no register has an upper half to keep
    "pushq %rbp",
    "pushq %r12",
    "pushq %r13",
    "pushq %r14",
    "pushq %r15",
    "pushq $0x23", // Linux's 32-bit code
    "pushq $1f",
    "lretq",
    ".code32",
    "1: decl %edi",
    "jnz 1b",
    "pushl $0x33", // Linux's 64-bit code
    "pushl $2f",
    "lretl",
    ".code64",
    "2: movl %esp, %esp", // clears the upper half
    "popq %r15",
    "popq %r14",
    "popq %r13",
    "popq %r12",
    "popq %rbp",
    "popq %rbx",
    "retq",
    ".popsection",
    options(att_syntax),
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".pushsection .text.check_far, \"ax\", @progbits",
    ".globl check_far",
    "check_far:",
    "movl 4(%esp), %ecx",
    "ljmpl $0x33, $1f", // Linux's 64-bit code
    ".code64",
    "1: decl %ecx",
    "jnz 1b",
    "movl %esp, %esp", // clears the upper half
    "pushq $0x23",     // Linux's 32-bit code
    "pushq $2f",
    "lretq",
    ".code32",
    "2: retl",
    ".popsection",
    options(att_syntax),
);
