// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests on systems that a user brings: RTEMS as a guest, the POK kernel and L4Re as hosts. The user's trees stay as
//! they are.

pub mod l4re;
pub mod linux;
mod make;
pub mod pok;
mod qemu;
pub mod rtems;
