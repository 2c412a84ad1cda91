// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4RTEMS images, for i386: what they find when they are entered, and how they call. Images with an identity note may
//! call the same functions, too. See [`paravirt_abi::l4rtems`].

mod block;
mod code;
mod functions;

pub use block::{Block, Selectors, block, size as block_size};
pub use code::{Code, Start};

/// The L4RTEMS functions that hosts offer, sorted by name.
pub const OFFERED: [&str; 7] = [
    "l4rtems_detachIrq",
    "l4rtems_inch",
    "l4rtems_outch",
    "l4rtems_requestIrq",
    "l4rtems_timer_read",
    "l4rtems_timer_start",
    "l4rtems_timer_stop",
];
