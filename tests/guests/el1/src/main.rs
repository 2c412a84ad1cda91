// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does what the first argument says, which is a fault or no end, or prints what the loader said.
#![no_std]
#![no_main]

use core::hint::black_box;
#[cfg(target_arch = "aarch64")]
use core::sync::atomic::{AtomicBool, Ordering};

use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

fn main() -> i32 {
    let Some(what) = start::arguments().next() else {
        for range in start::memory() {
            println!(
                "{:#x} to {:#x}, kind {}",
                range.start,
                range.start + range.size,
                range.kind
            );
        }
        return 0;
    };
    match what {
        "overflow" => return overflow(1),
        "panic" => panic!("as asked"),
        // Who waits for the line knows that the guest has come this far.
        "spin" => {
            println!("spinning");
            loop {
                core::hint::spin_loop();
            }
        }
        "hang" => {
            println!("hanging");
            cpu::idle_until(|_| false);
        }
        #[cfg(target_arch = "aarch64")]
        "errors" => return errors(),
        _ => {}
    }
    #[cfg(target_arch = "aarch64")]
    fault(what);
    2
}

/// Does what is a fault.
#[cfg(target_arch = "aarch64")]
fn fault(what: &str) {
    use core::arch::asm;
    use core::time::Duration;

    use paravirt_bsp::timer::Timer;

    // A fault in the handler of an interrupt.
    if what == "handler" {
        let timer = Timer::new(1).expect("there is one");
        let started = timer
            .attach(&|_, _| {
                if WAITS.load(Ordering::Relaxed) {
                    // SAFETY: a fault, which ends the guest.
                    unsafe { asm!("str xzr, [{}]", in(reg) 8_usize) };
                }
            })
            .and_then(|()| timer.start_periodic(Duration::from_millis(1)));
        started.expect("a timer");
        wait();
    }
    static WORD: u64 = 0;
    // Found again in the report.
    let mark = 0x1234_5678_9abc_def0_u64;
    // SAFETY: each of these is a fault, which ends the guest.
    unsafe {
        match what {
            "null" => asm!("str xzr, [{}]", in(reg) 8_usize, in("x20") mark),
            "far" => asm!("ldr {0}, [{0}]", inout(reg) 0x20_0000_0000_usize => _, in("x20") mark),
            // Where a test has memory that may not be mapped.
            "hole" => asm!("ldr {0}, [{0}]", inout(reg) 0x4170_1000_usize => _, in("x20") mark),
            "undefined" => asm!("udf #0", in("x20") mark),
            "register" => asm!("msr sctlr_el3, xzr", in("x20") mark),
            "jump" => asm!("br {}", in(reg) 0x10_usize, in("x20") mark),
            // Asks Linux for the process's number, past the host.
            "syscall" => asm!("svc #0", in("x8") 172, lateout("x0") _, in("x20") mark),
            // Below its new stack pointer there is no memory for an interrupt, which comes, again if it came before.
            "stack" => {
                let timer = Timer::new(1).expect("there is one");
                let started = timer
                    .attach(&|_, _| {})
                    .and_then(|()| timer.start_periodic(Duration::from_millis(1)));
                started.expect("a timer");
                asm!("mov sp, {}", "2: b 2b", in(reg) 0x10_usize, in("x20") mark, options(noreturn));
            }
            "exclusive" => asm!("ldxr {0}, [{1}]", out(reg) _, in(reg) (&raw const WORD).addr() | 1),
            _ => println!("what is {what}?"),
        }
    }
}

/// Whether errors of the system are let through where a handler has turned interrupts on, from which a thread may go on
/// that is not the interrupted one; and behind the wait of such a thread.
#[cfg(target_arch = "aarch64")]
fn errors() -> i32 {
    use core::arch::asm;
    use core::time::Duration;

    use paravirt_bsp::timer::Timer;

    /// The mask of these errors in the processor's state.
    const ERRORS: u64 = 1 << 8;
    static OF_HANDLER: AtomicBool = AtomicBool::new(false);

    fn are_let_through() -> bool {
        let masks: u64;
        // SAFETY: it reads the masks, which EL1 may.
        unsafe { asm!("mrs {}, daif", out(reg) masks) };
        masks & ERRORS == 0
    }

    let timer = Timer::new(1).expect("there is one");
    let started = timer
        .attach(&|_, _| {
            // SAFETY: at the handler's own level.
            unsafe { cpu::enable_interrupts() };
            OF_HANDLER.store(are_let_through(), Ordering::Relaxed);
            WAITS.store(true, Ordering::Relaxed);
        })
        .and_then(|()| timer.start_once(Duration::from_millis(1)));
    started.expect("a timer");
    while !WAITS.load(Ordering::Relaxed) {
        core::hint::spin_loop();
    }
    timer.start_once(Duration::from_millis(1)).expect("a timer");
    // SAFETY: as an entry leaves it.
    unsafe { asm!("msr daifset, #4") };
    cpu::idle();
    println!(
        "handler: {}, idle: {}",
        OF_HANDLER.load(Ordering::Relaxed),
        are_let_through()
    );
    0
}

/// Whether it has come to [`wait`].
#[cfg(target_arch = "aarch64")]
static WAITS: AtomicBool = AtomicBool::new(false);

/// Where the interrupt comes that has a fault.
#[cfg(target_arch = "aarch64")]
#[inline(never)]
fn wait() -> ! {
    WAITS.store(true, Ordering::Relaxed);
    loop {
        core::hint::spin_loop();
    }
}

/// Calls itself until the stack is used up.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn overflow(depth: i32) -> i32 {
    let room = black_box([depth; 256]);
    overflow(depth + 1).wrapping_add(room[200])
}
