// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4RTEMS images, for i386: what they find when they are entered, and how they call. Images with an identity note may
//! call the same functions, too. See [`paravirt_abi::l4rtems`].

mod block;
mod code;
mod functions;

pub use block::{Block, Selectors, block, size as block_size};
pub use code::{Code, Start};

use paravirt_abi::l4rtems;

/// Whether `name` is that of an L4RTEMS function that hosts offer: all but those for ports.
#[must_use]
pub fn is_offered(name: &str) -> bool {
    l4rtems::find(name).is_some_and(|function| !function.is_for_ports())
}
