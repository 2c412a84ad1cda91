// SPDX-License-Identifier: BSD-2-Clause
//! An RTEMS application in Rust: two tasks, a message queue and events of RTEMS beside console, timer and interrupt
//! line of the paravirtualization layer.
//!
//! Timer 1 expires every 20 ms. Its handler sends the count of expirations to a message queue; the task "WORK" takes
//! them from there, and at the last one raises an interrupt line, whose handler sends an event to the first task, which
//! ends RTEMS.
#![no_std]

mod directives;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::clock::Instant;
use paravirt_bsp::irq::Line;
use paravirt_bsp::println;
use paravirt_bsp::timer::Timer;

// Refers to the crate, so that the BSP's Rust functions enter this library.
pub use rtemsparavirt as bsp;

use directives::{EVENT_0, Id, Queue};

/// Beside RTEMS' tick, which is timer 0.
const TIMER: Timer = Timer::new(1).expect("there are 8 timers");
const PERIOD: Duration = Duration::from_millis(20);
const EXPIRATIONS: u32 = 5;
/// The first line that is free for applications.
const LINE: Line = Line::new(FIRST_FREE).expect("there are 31 lines");
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
    directives::task_start(*b"WORK", PRIORITY, STACK_SIZE, worker, 0).expect("configuration.c has room for it");

    LINE.attach(&on_line).expect("nobody else has the line");
    TIMER.attach(&on_timer).expect("nobody else has the timer");
    let start = Instant::now();
    TIMER.start_periodic(PERIOD).expect("a period in range");
    directives::event_receive(EVENT_0);
    let passed = start.elapsed();
    TIMER.stop().expect("it was started");

    println!(
        "the event came {} the last expiration was due",
        if passed >= EXPIRATIONS * PERIOD {
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
        if count == EXPIRATIONS.into() {
            LINE.raise().expect("the line is attached");
        }
    }
}

/// An interrupt handler of RTEMS too: it calls only directives that are allowed there.
fn on_timer(timer: Timer, expirations: u64) {
    let queue = Queue::from_id(Id::from_number(QUEUE.load(Ordering::Relaxed)));
    let last = timer.expirations();
    for count in last - expirations + 1..=last {
        // After the last one that counts the queue may be full; nobody misses those.
        let _ = queue.send(count);
    }
}

fn on_line(line: Line) {
    println!("interrupt on line {}", line.number());
    directives::event_send(Id::from_number(INIT.load(Ordering::Relaxed)), EVENT_0);
}
