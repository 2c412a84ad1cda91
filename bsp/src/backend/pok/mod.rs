// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `pok`: the image as a partition of the POK kernel (ARINC 653), i386.
//!
//! The bodies of the external functions make POK's system calls. Its kernel has no call that interrupts a partition, so
//! lines are found by looking (`irq.rs`):
//!
//! * The layer's functions for console, clock and timers look at the kernel's clock, and at the console while its line
//!   is unmasked. With interrupts on, the handlers of what they find have run when they return.
//! * With interrupts off, what they find stays pending; turning interrupts on delivers it.
//! * [`crate::cpu::idle`] sleeps in the kernel until the next timer is due. The scheduler looks at sleepers once a
//!   millisecond, and only in the partition's own time slots, so the line comes that much late.
//!
//! So an application that computes for long without any of these calls sees no interrupts meanwhile, whatever its
//! interrupt flag says. Nothing is lost: the expirations of periodic timers are counted from the clock, and deadlines
//! do not drift. Turning interrupts off and on stays a store and a test.
//!
//! A fork made for RTEMS (phipse/pok), has calls for interrupts. To deliver one, its kernel overwrites the
//! word at the interrupted stack pointer, which compiled code has in use, so they can serve idle only: with the Cargo
//! feature `pok-irq`, idle there ends by the kernel's timer interrupt (`interrupt.rs`) instead of a sleep. The line
//! comes no sooner, and the processor is busy meanwhile, but the kernel needs no calls to sleep. Code that computes is
//! not interrupted there either. The fork's clock steps once a millisecond, it has no call for console input, which has
//! therefore ended from the start, and it leaves SSE off. An image finds out which kernel it is on (`kernel.rs`) and
//! runs on both, with the feature and without.
//!
//! The kernel's clock stands still while it writes to the console, because it counts timer interrupts.
//!
//! POK has no calendar, so there is no `pv_clock_wall`. It loads neither fs nor gs for a partition, so `pv_cpu_set_tls`
//! refuses. It saves no FPU state when it switches partitions, so that one partition of a node at most may use floating
//! point. Its console has one input for all partitions; who asks first gets the byte.
//!
//! What the partition's configuration must say is in `linkcmds/README.md`.

mod console;
mod cpu;
mod interrupt;
mod irq;
mod kernel;
mod power;
mod start;
mod syscall;
mod timer;

use super::{Backend, Contract, lines};

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "pok",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts: irq::open,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

crate::in_guest_functions! { static FUNCTIONS = [console, timer, lines, cpu, power]; }
