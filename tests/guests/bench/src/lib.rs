// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the benchmark guests share.
//!
//! Each guest takes a mode as its first argument. `time` prints `NAME PICOSECONDS` for each measurement, `count` does
//! every measured thing a known number of times for an instruction counter, `step` brackets calls with breakpoint
//! instructions for a program that single-steps the guest.
#![no_std]

#[cfg(target_arch = "aarch64")]
use core::arch::asm;
use core::arch::global_asm;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use core::arch::naked_asm;

use paravirt_bsp::clock::Instant;
use paravirt_bsp::{println, start};

/// How often [`count`](self) mode does what it is asked for.
pub const COUNT: u32 = 1000;

/// The mode.
#[must_use]
pub fn mode() -> &'static str {
    start::arguments().next().unwrap_or("")
}

/// The counter of the processor's that the clock is made of: the time-stamp counter, on AArch64 the virtual counter.
#[inline]
#[must_use]
pub fn counter() -> u64 {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::_rdtsc;
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::_rdtsc;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    // SAFETY: every processor has the counter.
    unsafe {
        _rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count;
        // SAFETY: every processor has the counter. It is not read before what precedes is done, by the barrier.
        unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
        count
    }
}

/// The counter since the machine's start, where the guest is a machine's or a domain's: on AArch64 the physical one,
/// since that of a domain begins with the domain.
#[inline]
#[must_use]
pub fn counter_of_machine() -> u64 {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        counter()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count;
        // SAFETY: as in `counter`.
        unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) count, options(nostack, preserves_flags)) };
        count
    }
}

/// The time of the monotonic clock, in ns.
#[inline]
#[must_use]
pub fn now() -> u64 {
    Instant::now().as_nanos()
}

/// Prints the time of one operation, where `body` does `operations` when it is told to: the fastest of many batches,
/// because everything that disturbs a batch makes it longer.
pub fn time(name: &str, operations: u32, body: extern "C" fn(u32)) {
    let mut fastest = u64::MAX;
    for _ in 0..200 {
        let begin = now();
        body(operations);
        fastest = fastest.min(now() - begin);
    }
    println!("{name} {}", fastest * 1000 / u64::from(operations));
}

// In assembly, so that the compiler knows as little of a direct call as of a call through a slot.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.bench_body, \"ax\", @progbits",
    ".globl bench_body",
    ".type bench_body, @function",
    "bench_body:",
    "    mov eax, edi", // the result is the argument
    "    ret",
    ".size bench_body, . - bench_body",
    ".popsection",
);
#[cfg(target_arch = "x86")]
global_asm!(
    ".pushsection .text.bench_body, \"ax\", @progbits",
    ".globl bench_body",
    ".type bench_body, @function",
    "bench_body:",
    "    mov eax, [esp + 4]", // the result is the argument
    "    ret",
    ".size bench_body, . - bench_body",
    ".popsection",
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .text.bench_body, \"ax\", @progbits",
    ".balign 4",
    ".globl bench_body",
    ".type bench_body, @function",
    "bench_body:",
    "    ret", // the result is the argument
    ".size bench_body, . - bench_body",
    ".popsection",
);

unsafe extern "C" {
    /// The smallest function: returns its argument.
    pub fn bench_body(value: u32) -> u32;
}

/// Calls `function` between two breakpoint instructions.
///
/// # Safety
/// `function` may be called with any argument, and somebody who traces this program handles the breakpoints.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "C" fn step(function: unsafe extern "C" fn(u32) -> u32) {
    naked_asm!(
        "sub rsp, 8",   // align the stack for a call
        "mov rax, rdi", // the function
        "mov edi, 1",   // its argument
        "int3",         // counting begins
        "call rax",
        "int3", // and ends
        "add rsp, 8",
        "ret",
    )
}

/// Calls `function` between two breakpoint instructions.
///
/// # Safety
/// `function` may be called with any argument, and somebody who traces this program handles the breakpoints.
#[cfg(target_arch = "x86")]
#[unsafe(naked)]
pub unsafe extern "C" fn step(function: unsafe extern "C" fn(u32) -> u32) {
    naked_asm!(
        "mov eax, [esp + 4]", // the function
        "sub esp, 8",         // align the stack for a call with one argument
        "push 1",             // its argument
        "int3",               // counting begins
        "call eax",
        "int3", // and ends
        "add esp, 12",
        "ret",
    )
}
