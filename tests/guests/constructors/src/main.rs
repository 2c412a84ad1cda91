// SPDX-License-Identifier: MIT OR Apache-2.0
//! Constructors come before `main`, in their order, once, with everything at hand that `main` has.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare] }

static CALLS: AtomicU32 = AtomicU32::new(0);

/// As the crates for it put it.
#[used]
#[unsafe(link_section = ".init_array.00250")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    println!(
        "Rust, priority 250: info {}, interrupts {}",
        start::info().is_some(),
        cpu::interrupts_enabled()
    );
}

unsafe extern "C" {
    fn part();
}

fn main() {
    println!("main: {} in Rust", CALLS.load(Ordering::Relaxed));
    // SAFETY: prints.
    unsafe { part() };
}
