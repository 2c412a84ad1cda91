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
//! | [`cpu`] | the virtual interrupt flag, critical sections, idle |
//! | [`power`] | exit, reset, fatal |
//! | [`start`] | what the host said at start-up, [`image!`] |
//! | [`mod@test`] | tests in the guest |
//! | [`upcall`] | where interrupts enter, for operating systems |
//! | [`external`] | the macro and the jump table |
//! | [`interface`] | the raw external functions below the wrappers |
//!
//! There is one vCPU. Functions may be called with interrupts on or off and from handlers, unless they say otherwise.
//!
//! For the ecosystem, by features: `logger` for the crate `log`, a time driver for Embassy, the console for
//! `embedded-io-async`; `embedded-io` and `embedded-hal` always.
//!
//! # Soundness
//!
//! Why code without `unsafe` cannot cause undefined behaviour with this crate, whatever it calls in whatever order:
//!
//! * **An interrupt is another thread.** There is one vCPU, so nothing runs at the same time as something else; but a
//!   handler runs between any two instructions while interrupts are on, and under an operating system other threads may
//!   run before it returns ([`upcall::set_body`]). So the rules for threads hold: [`irq::Line::attach`] and
//!   [`timer::Timer::attach`] want handlers that are [`Sync`], and that live for ever. `attach_for` takes shorter ones,
//!   because it takes them away before it returns: they cannot be running then, since whoever is interrupted goes on
//!   only after its handler has returned. (An operating system that deletes threads amid their functions answers for
//!   that, see there.)
//! * **Interrupts off is a critical section.** With the virtual interrupt flag off, no handler and no other thread runs
//!   until it is on again. [`cpu::without_interrupts`] passes the token of the crate `critical-section` that says so,
//!   and that cannot leave the closure; with the feature `critical-section`, `critical_section::with` is the same. What
//!   interrupts share lies in `Mutex`es that open with the token.
//! * **Nobody ends the critical section of another.** Turning interrupts off is harmless. Turning them on is `unsafe`
//!   ([`cpu::enable_interrupts`], [`cpu::restore_interrupts`]), but for places where no section can be open: before
//!   `main` of [`image!`], at the end of the outermost `without_interrupts`, in [`cpu::idle`] and [`cpu::idle_until`]
//!   if they were on when it was called, and where an interrupt came while they were on. A closure that is called with
//!   a token cannot turn them on without `unsafe`, so neither can what it calls.
//! * **The vCPU page is written by this crate and the host alone.** [`vcpu::page`] gives it to be read. What it holds
//!   decides where interrupts enter, so a write to it would be a jump.
//! * **External functions are `unsafe` unless their declaration says `safe`.** Whoever writes `safe fn` in
//!   [`l4_external_func!`] vouches for every host and backend; in [`interface`], those are the functions that take
//!   numbers and touch no memory of the guest but the page.
//! * **The host is part of the guest's machine.** It owns the guest's memory and registers, so nothing here can defend
//!   against it. What it passes by address is believed where the ABI states it, [`start::info`] above all, and never
//!   changes after the start.
//! * **Interrupted code finds its registers as they were**, general, x87 and SSE: the upcall entry keeps them, see
//!   [`mod@upcall`].
//!
//! The state machines that guests and hosts share are safe code without pointers, in a crate of their own, and are
//! tested against naive models on the host. The rest is assembly, volatile accesses at fixed addresses and calls of the
//! host, which Miri has no model of.
#![cfg_attr(not(test), no_std)]

// So that `backend::template` can be written as a crate of its own.
#[cfg(any(feature = "template", feature = "pok"))]
extern crate self as paravirt_bsp;

#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
#[macro_use]
mod assembly;
pub mod backend;
pub mod clock;
pub mod console;
#[cfg(feature = "embedded-io-async")]
mod console_async;
mod coverage;
pub mod cpu;
#[cfg(feature = "critical-section")]
mod critical;
#[cfg(all(feature = "el1", target_arch = "aarch64"))]
pub mod el1;
#[cfg(feature = "embassy-time-driver")]
pub mod embassy;
pub mod external;
mod handler;
pub mod interface;
pub mod irq;
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
mod last_state;
mod local;
#[cfg(feature = "log")]
pub mod logger;
#[cfg(all(
    feature = "memory-functions",
    any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")
))]
mod memory_functions;
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
pub mod message;
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
mod page_clock;
#[cfg(all(feature = "panic-handler", not(test)))]
mod panic;
pub mod power;
#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod ring0;
pub mod start;
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
mod stop;
pub mod test;
pub mod timer;
pub mod upcall;
pub mod vcpu;

/// What this build has for a processor that the guest owns.
#[cfg(all(feature = "el1", target_arch = "aarch64"))]
pub(crate) use el1 as machine;
#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
pub(crate) use ring0 as machine;

pub use critical_section;
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
