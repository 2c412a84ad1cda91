// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images of 2013, for i386: what they find when they are entered, and how they call. Images of today may call the same
//! functions, too. See [`paravirt_abi::legacy`].

mod block;
mod code;

pub use block::{Block, Selectors, block, size as block_size};
pub use code::{Code, Start};

/// The functions of 2013 that hosts offer, sorted by name.
pub const OFFERED: [&str; 7] = [
    "l4rtems_detachIrq",
    "l4rtems_inch",
    "l4rtems_outch",
    "l4rtems_requestIrq",
    "l4rtems_timer_read",
    "l4rtems_timer_start",
    "l4rtems_timer_stop",
];
