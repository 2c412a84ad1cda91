// SPDX-License-Identifier: MIT OR Apache-2.0
//! The external functions of ABI version 1, as the host sees them.
//!
//! Prefer the wrappers of [`crate::console`], [`crate::timer`], [`crate::irq`], [`crate::cpu`] and [`crate::power`].
//! Errors are the negative numbers of [`crate::Error`].
//!
//! ```no_run
//! use paravirt_bsp::Error;
//! use paravirt_bsp::interface::pv_port_in;
//!
//! /// Status of the keyboard controller, where the host grants the port.
//! fn status() -> Result<u8, Error> {
//!     // SAFETY: reading this port changes nothing.
//!     let value = unsafe { pv_port_in(0x64, 1) };
//!     u8::try_from(value).map_err(|_| Error::from_number(value as i32))
//! }
//! # fn main() {}
//! ```
//! Those that are safe to call with any numbers are declared so. The list is [`paravirt_abi::interface`].

macro_rules! declare {
    ($($class:ident { $($declarations:tt)* })*) => {
        crate::l4_external_func! {
            // SAFETY: those declared as safe ask nothing of their callers.
            unsafe extern "C" { $($($declarations)*)* }
        }
    };
}

paravirt_abi::interface_functions!(declare);
