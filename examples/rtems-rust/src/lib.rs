// SPDX-License-Identifier: BSD-2-Clause
//! An RTEMS application in Rust: two tasks, a message queue and events of RTEMS beside console, timer and interrupt line of the
//! paravirtualization layer.
//!
//! Timer 1 expires every 20 ms. Its handler sends the count of expirations to a message queue; the task "WORK" takes them from
//! there, and at the last one raises an interrupt line, whose handler sends an event to the first task, which ends RTEMS.
#![no_std]

mod directives;

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{clock, irq, println};

// Refers to the crate, so that the BSP's Rust functions enter this library.
pub use rtemsparavirt as bsp;

use directives::{EVENT_0, Id, Queue};

/// Beside RTEMS' tick, which is timer 0.
const TIMER: Timer = Timer::new(1).expect("there are 8 timers");
const PERIOD_NS: u64 = 20_000_000;
const EXPIRATIONS: u64 = 5;
/// The first line that is free for applications.
const LINE: u32 = FIRST_FREE;
const PRIORITY: u32 = 10;
const STACK_SIZE: usize = 8 * 1024;

/// Handlers find the objects of RTEMS here; written before the handlers are attached.
static QUEUE: AtomicU32 = AtomicU32::new(0);
static INIT: AtomicU32 = AtomicU32::new(0);

/// The first task; `configuration.c` names it.
#[unsafe(no_mangle)]
pub extern "C" fn init_task(_argument: usize) {
    println!("Rust on RTEMS");
    INIT.store(directives::task_self().number(), Ordering::Relaxed);
    let queue = Queue::create(*b"QUEU", 8).expect("configuration.c has memory for it");
    QUEUE.store(queue.id().number(), Ordering::Relaxed);
    directives::task_start(*b"WORK", PRIORITY, STACK_SIZE, worker, 0)
        .expect("configuration.c has room for it");

    irq::attach(LINE, on_line, null_mut()).expect("nobody else has the line");
    TIMER
        .attach(on_timer, null_mut())
        .expect("nobody else has the timer");
    let start = clock::now();
    TIMER.start_periodic(PERIOD_NS).expect("a period in range");
    directives::event_receive(EVENT_0);
    let passed = clock::now() - start;
    TIMER.stop().expect("it was started");

    println!(
        "the event came {} the last expiration was due",
        if passed >= EXPIRATIONS * PERIOD_NS {
            "after"
        } else {
            "before"
        }
    );
    let ticks = directives::ticks_since_boot();
    directives::wake_after(10);
    println!("slept {} ticks", directives::ticks_since_boot() - ticks);
    directives::shutdown(0);
}

extern "C" fn worker(_argument: usize) {
    let queue = Queue::from_id(Id::from_number(QUEUE.load(Ordering::Relaxed)));
    loop {
        let count = queue.receive();
        println!("WORK: expiration {count}");
        if count == EXPIRATIONS {
            irq::raise(LINE).expect("the line is attached");
        }
    }
}

/// An interrupt handler of RTEMS too: it calls only directives that are allowed there.
extern "C" fn on_timer(_timer: u32, expirations: u64, _argument: *mut c_void) {
    let queue = Queue::from_id(Id::from_number(QUEUE.load(Ordering::Relaxed)));
    let last = TIMER.expirations();
    for count in last - expirations + 1..=last {
        // After the last one that counts the queue may be full; nobody misses those.
        let _ = queue.send(count);
    }
}

extern "C" fn on_line(line: u32, _argument: *mut c_void) {
    println!("interrupt on line {line}");
    directives::event_send(Id::from_number(INIT.load(Ordering::Relaxed)), EVENT_0);
}
