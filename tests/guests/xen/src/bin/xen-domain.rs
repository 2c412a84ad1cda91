// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells what Xen said at the start, or does what its first argument names. The second argument is the kind of domain:
//! `pv`, `pvh`.
//!
//! Beside Xen's PV entry point it has others, which go there with what Xen should not pass. A test makes the note point
//! to one of them.
#![no_std]
#![no_main]

use guest_xen::{loop_back, send};
use paravirt_bsp::clock::{Instant, since_unix_epoch};
use paravirt_bsp::{cpu, irq, println, start};

paravirt_bsp::image! { main: main, backends: [xen] }

#[cfg(target_arch = "x86_64")]
mod entries {
    use core::arch::global_asm;

    global_asm!(
        ".pushsection .data.entries, \"aw\", @progbits",
        ".balign 8",
        "1:  .asciz \"xen-2.0-x86_64\"", // a magic of another interface
        "    .zero 2048",
        ".popsection",
        ".pushsection .text.entries, \"ax\", @progbits",
        ".globl entries, entry_wrong_magic, entry_early_fault",
        "entries:",
        "entry_wrong_magic:",
        "    leaq 1b(%rip), %rsi", // where Xen's start info should be
        "    jmp __paravirt_xen_pv_start",
        "entry_early_fault:",
        "    movq $0x123000000, %rax", // no memory is there
        "    movq %rax, 88(%rsi)",     // address of the page tables: read before the first output
        "    jmp __paravirt_xen_pv_start",
        ".popsection",
        options(att_syntax),
    );

    unsafe extern "C" {
        pub static entries: u8;
    }
}

fn main() -> i32 {
    // Referred to, so that the linker keeps them.
    #[cfg(target_arch = "x86_64")]
    core::hint::black_box(&raw const entries::entries);
    let mut arguments = start::arguments();
    let what = arguments.next();
    let pv = arguments.next() == Some("pv");
    match what {
        Some("memory") => return touch_memory(),
        Some("stray") => stray(pv),
        Some("time") => return time(),
        Some("wall") => return wall(arguments.next()),
        _ => println!("command line: {}", start::command_line()),
    }
    0
}

/// Events on a channel that nobody has bound: the first one is reported, the channel masked, and the guest goes on.
fn stray(pv: bool) {
    let port = loop_back(pv);
    for _ in 0..2 {
        cpu::without_interrupts(|_| send(pv, port));
        println!("spurious: {}", irq::spurious());
    }
}

/// Writes a word of its own to each page of all memory, then reads them back.
fn touch_memory() -> i32 {
    const PAGE: u64 = 4096;
    let ram = || start::memory().iter().filter(|range| range.kind == 1);
    let pages = || ram().flat_map(|range| (0..range.size / PAGE).map(|page| range.start + page * PAGE));
    for page in pages() {
        // SAFETY: memory that is free for the guest's use.
        unsafe { (page as *mut u64).write_volatile(!page) };
    }
    // SAFETY: as above.
    let bad = pages().filter(|&page| unsafe { (page as *const u64).read_volatile() } != !page);
    let bad = bad.count();
    println!("{} pages, {bad} of them bad", pages().count());
    i32::from(bad != 0)
}

/// Compares the wall clock with the time in whole seconds that another clock has shown a moment before.
fn wall(other: Option<&str>) -> i32 {
    // An emulated machine that is loaded takes long to start a domain.
    const LATE: u64 = 120;
    let now = since_unix_epoch().as_secs();
    let other: u64 = other.and_then(|other| other.parse().ok()).unwrap_or(0);
    // Both may have cut off a part of a second.
    let is_right = (other.saturating_sub(1)..=other + LATE).contains(&now);
    println!(
        "Unix time {now}, {}",
        if is_right { "as it is" } else { "which is wrong" }
    );
    i32::from(!is_right)
}

/// Reads the clock often; it must go on and never step back.
fn time() -> i32 {
    const READS: u32 = 10_000;
    let first = Instant::now();
    let mut last = first;
    for _ in 0..READS {
        let now = Instant::now();
        if now < last {
            println!("the clock steps back by {} ns", (last - now).as_nanos());
            return 1;
        }
        last = now;
    }
    println!("the clock {}", if last > first { "goes on" } else { "stands still" });
    i32::from(last == first)
}
