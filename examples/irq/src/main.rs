// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nested software interrupts: each handler turns interrupts on and raises the next line inside itself.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::{self, Line};
use paravirt_bsp::{Error, cpu, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// Lines that nest, in this order.
const LINES: [Line; 4] = [line(0), line(1), line(2), line(3)];
const LAST: Line = LINES[3];
/// A line that nobody attaches.
const STRAY: Line = line(4);

/// A line of those that belong to applications.
const fn line(index: u32) -> Line {
    Line::new(FIRST_FREE + index).expect("there are 31 lines")
}

fn main() -> Result<(), Error> {
    for line in LINES {
        line.attach(&nest)?;
    }
    println!("nested:");
    LINES[0].raise()?;

    println!("masked:");
    LAST.mask()?;
    LAST.raise()?;
    println!("  nothing yet");
    LAST.unmask()?;

    println!("interrupts off:");
    cpu::without_interrupts(|_| {
        LAST.raise()?;
        println!("  nothing yet");
        Ok::<_, Error>(())
    })?;

    println!("no handler:");
    STRAY.unmask()?;
    STRAY.raise()?;
    println!("  spurious: {}", irq::spurious());
    Ok(())
}

fn nest(line: Line) {
    static DEPTH: AtomicUsize = AtomicUsize::new(0);
    let indent = 2 * DEPTH.fetch_add(1, Ordering::Relaxed) + 2;
    println!("{:indent$}line {} begins", "", line.number());
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
    if let Some(next) = LINES.into_iter().find(|&next| next > line) {
        next.raise().expect("the line exists");
    }
    println!("{:indent$}line {} ends", "", line.number());
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}
