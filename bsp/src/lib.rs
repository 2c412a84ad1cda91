// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest-side paravirtualization layer for RTEMS and for bare Rust guests.
//!
//! Console, timers, interrupts, idle and shutdown are *external functions*: the guest declares them with
//! [`l4_external_func!`], the host supplies their bodies. Each call goes through a slot of one jump table; who fills
//! the slots is the [backend](mod@backend).
//!
//! | module | what it wraps |
//! |---|---|
//! | [`console`] | bytes out and in, [`print!`] |
//! | [`clock`], [`timer`] | time and expirations |
//! | [`irq`] | interrupt lines |
//! | [`cpu`] | the virtual interrupt flag, idle |
//! | [`power`] | exit, reset, fatal |
//! | [`start`] | what the host said at start-up, [`image!`] |
//! | [`upcall`] | where interrupts enter, for operating systems |
//! | [`external`] | the macro and the jump table |
//! | [`interface`] | the raw external functions below the wrappers |
//!
//! There is one vCPU. Functions may be called with interrupts on or off and from handlers, unless they say otherwise.
#![cfg_attr(not(test), no_std)]

// So that `backend::template` can be written as a crate of its own.
#[cfg(feature = "template")]
extern crate self as paravirt_bsp;

pub mod backend;
pub mod clock;
pub mod console;
pub mod cpu;
#[cfg(feature = "critical-section")]
mod critical;
pub mod external;
pub mod interface;
pub mod irq;
mod local;
#[cfg(all(
    feature = "memory-functions",
    any(target_arch = "x86", target_arch = "x86_64")
))]
mod memory;
#[cfg(all(feature = "panic-handler", not(test)))]
mod panic;
pub mod power;
#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod ring0;
pub mod start;
pub mod timer;
pub mod upcall;
pub mod vcpu;

pub use paravirt_abi as abi;
pub use paravirt_abi::error::Error;

#[doc(hidden)]
pub use linkme;

/// The result of an interface function that returns 0 or a negative error number.
pub(crate) fn result(number: i32) -> Result<(), Error> {
    if number < 0 {
        Err(Error::from_number(number))
    } else {
        Ok(())
    }
}
