// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images of 2013, for i386: what they find when they are entered, how they call, and what the functions do that they call. Images
//! of today may call the functions, too. See [`paravirt_abi::legacy`].

mod block;
mod code;
mod functions;

pub use block::{Block, Selectors, block, size as block_size};
pub use code::{Code, Start};
pub use functions::{
    OFFERED, Today, detach_irq, inch, outch, request_irq, timer_read, timer_start, timer_stop,
};
