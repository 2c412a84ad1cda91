// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nested software interrupts: each handler turns interrupts on and raises the next line inside itself.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{cpu, irq, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

const LAST: u32 = FIRST_FREE + 3;
/// A line that nobody attaches.
const STRAY: u32 = LAST + 1;

static DEPTH: AtomicU32 = AtomicU32::new(0);

fn main() -> i32 {
    for line in FIRST_FREE..=LAST {
        irq::attach(line, nest, core::ptr::null_mut()).expect("a free line");
    }
    cpu::enable_interrupts();
    println!("nested:");
    irq::raise(FIRST_FREE).expect("the line exists");

    println!("masked:");
    irq::mask(LAST).expect("the line exists");
    irq::raise(LAST).expect("the line exists");
    println!("  nothing yet");
    irq::unmask(LAST).expect("the line exists");

    println!("interrupts off:");
    cpu::disable_interrupts();
    irq::raise(LAST).expect("the line exists");
    println!("  nothing yet");
    cpu::enable_interrupts();

    println!("no handler:");
    irq::unmask(STRAY).expect("the line exists");
    irq::raise(STRAY).expect("the line exists");
    println!("  spurious: {}", irq::spurious());
    0
}

extern "C" fn nest(line: u32, _argument: *mut c_void) {
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed) as usize;
    println!("{:1$}line {line} begins", "", 2 * depth + 2);
    cpu::enable_interrupts();
    if line < LAST {
        irq::raise(line + 1).expect("the line exists");
    }
    println!("{:1$}line {line} ends", "", 2 * depth + 2);
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}
