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
//! Those that are safe to call with any numbers are declared so.

use crate::l4_external_func;

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Writes up to `len` bytes to the console; the number of bytes taken, or an error.
        pub fn pv_console_write(buf: *const u8, len: usize) -> isize;
        /// Reads up to `len` bytes; 0 if there are none now, `EndOfInput` after the last. New input raises the console
        /// line.
        pub fn pv_console_read(buf: *mut u8, len: usize) -> isize;

        /// Monotonic time since the guest's start, in ns.
        pub safe fn pv_clock_now() -> u64;
        /// Unix time in ns.
        pub safe fn pv_clock_wall() -> u64;

        /// Starts a timer that expires `first` ns from now and then every `period` ns; period 0 means once.
        /// A period that is too short for the host is an `InvalidArgument`; times beyond 2^63 ns are never reached.
        pub safe fn pv_timer_start(timer: u32, first: u64, period: u64) -> i32;
        /// Stops a timer.
        pub safe fn pv_timer_stop(timer: u32) -> i32;

        /// Claims a line and unmasks it.
        pub safe fn pv_irq_attach(line: u32) -> i32;
        /// Masks a line and gives it up.
        pub safe fn pv_irq_detach(line: u32) -> i32;
        /// Keeps a line from becoming pending; the host remembers that it was raised. What is pending already is
        /// withdrawn. Masking and unmasking need no attachment.
        pub safe fn pv_irq_mask(line: u32) -> i32;
        /// Lets a line become pending again.
        pub safe fn pv_irq_unmask(line: u32) -> i32;
        /// Raises a line by software.
        pub safe fn pv_irq_raise(line: u32) -> i32;

        /// Waits until a line is pending. Called with the virtual interrupt flag off.
        pub fn pv_cpu_idle();
        /// Sets the base of thread-local storage (fs on x86-64, gs on i386). User-mode hosts only.
        pub fn pv_cpu_set_tls(base: usize) -> i32;

        /// Stops the guest; `reason` is a [`crate::abi::shutdown::Reason`].
        pub safe fn pv_shutdown(reason: u32, code: i32) -> !;

        /// Reads an x86 port of `width` 1, 2 or 4 bytes where the host grants it; the value, or an error.
        pub fn pv_port_in(port: u16, width: u32) -> i64;
        /// Writes an x86 port of `width` 1, 2 or 4 bytes where the host grants it.
        pub fn pv_port_out(port: u16, width: u32, value: u32) -> i32;
    }
}
