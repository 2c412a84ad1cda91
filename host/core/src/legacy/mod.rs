// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images of 2013, for i386: what they find when they are entered, and how they call. See [`paravirt_abi::legacy`].

mod block;
mod code;

pub use block::{Block, block, size as block_size};
pub use code::{Code, Start};
