// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives a device that interrupts until it is answered: a keyboard controller, behind functions of its host.
//!
//! However its driver goes about it, no interrupt is lost, and none comes without end.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use guest_checks::now;
use paravirt_bsp::irq::Line;
use paravirt_bsp::{cpu, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Has the controller interrupt as if that byte had come from the keyboard. It must have none.
        fn keyboard_type(byte: u8);
        /// Takes the byte that the controller has, which answers its interrupt; negative if it has none.
        safe fn keyboard_read() -> i32;
    }
}

/// The line of its interrupt.
const LINE: Line = Line::new(5).expect("there are 31 lines");
const BYTES: u32 = 20;
/// Calls of the host by a driver that takes its time.
const DETOURS: u32 = 50;

static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
static LAST: AtomicI32 = AtomicI32::new(-1);
/// The driver calls its host before it answers.
static SLOW: AtomicBool = AtomicBool::new(false);
/// The driver masks the line and leaves the answer to `main`, as one with a thread of its own does.
static DEFERRED: AtomicBool = AtomicBool::new(false);

fn handle(_line: Line) {
    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    if DEFERRED.load(Ordering::Relaxed) {
        LINE.mask().expect("the line is ours");
        return;
    }
    if SLOW.load(Ordering::Relaxed) {
        call_the_host();
    }
    let byte = keyboard_read();
    if byte >= 0 {
        LAST.store(byte, Ordering::Relaxed);
    }
}

fn call_the_host() {
    for _ in 0..DETOURS {
        let _ = now();
    }
}

/// Has the controller interrupt, and calls the host. No reading in between.
fn start(byte: u8) {
    // SAFETY: what it had was read.
    unsafe { keyboard_type(byte) };
    call_the_host();
}

/// Waits until the driver has seen the byte.
fn wait_for(byte: u8) {
    cpu::idle_until(|_| LAST.load(Ordering::Relaxed) == i32::from(byte));
}

fn interrupts() -> u32 {
    INTERRUPTS.swap(0, Ordering::Relaxed)
}

fn main() {
    // What was typed before this guest.
    while keyboard_read() >= 0 {}
    LINE.attach(&handle).expect("the line is free");
    // What the controller did before, may have been latched.
    call_the_host();
    interrupts();

    for byte in 1..=BYTES as u8 {
        start(byte);
        wait_for(byte);
    }
    println!("{BYTES} bytes, {} interrupts", interrupts());

    cpu::without_interrupts(|_| {
        start(0x30);
        assert_eq!(interrupts(), 0);
    });
    wait_for(0x30);
    println!("with interrupts off for a while: {}", interrupts());

    LINE.mask().expect("the line is ours");
    start(0x31);
    assert_eq!(interrupts(), 0);
    LINE.unmask().expect("the line is ours");
    wait_for(0x31);
    println!("with the line masked for a while: {}", interrupts());

    DEFERRED.store(true, Ordering::Relaxed);
    start(0x32);
    assert_eq!(keyboard_read(), 0x32);
    LINE.unmask().expect("the line is ours");
    call_the_host();
    DEFERRED.store(false, Ordering::Relaxed);
    println!("with a driver that masks the line and answers later: {}", interrupts());

    SLOW.store(true, Ordering::Relaxed);
    start(0x33);
    wait_for(0x33);
    call_the_host();
    // When a host function ends before the device is answered, the device interrupts again.
    println!(
        "with a slow driver: {}",
        if interrupts() <= 2 { "1 or 2" } else { "more" }
    );
}
