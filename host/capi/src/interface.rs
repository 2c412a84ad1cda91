// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions, as C functions with the prototypes of the ABI, for the guest that runs.

use core::ffi::c_void;

use paravirt_abi::error::Error;
use paravirt_abi::interface;
use paravirt_host_core::guest::{self, WIDTH};

use crate::functions::Function;
use crate::platform::Platform;

/// A guest on the host's callbacks.
type Guest = guest::Guest<Platform>;

/// Those that are provided without a word of the host.
pub fn functions() -> impl Iterator<Item = (&'static str, Function)> {
    let functions: [(&str, usize); 14] = [
        ("pv_clock_now", pv_clock_now as *const () as usize),
        ("pv_clock_wall", pv_clock_wall as *const () as usize),
        ("pv_console_read", pv_console_read as *const () as usize),
        ("pv_console_write", pv_console_write as *const () as usize),
        ("pv_cpu_idle", pv_cpu_idle as *const () as usize),
        ("pv_cpu_set_tls", pv_cpu_set_tls as *const () as usize),
        ("pv_irq_attach", pv_irq_attach as *const () as usize),
        ("pv_irq_detach", pv_irq_detach as *const () as usize),
        ("pv_irq_mask", pv_irq_mask as *const () as usize),
        ("pv_irq_raise", pv_irq_raise as *const () as usize),
        ("pv_irq_unmask", pv_irq_unmask as *const () as usize),
        ("pv_shutdown", pv_shutdown as *const () as usize),
        ("pv_timer_start", pv_timer_start as *const () as usize),
        ("pv_timer_stop", pv_timer_stop as *const () as usize),
    ];
    functions.into_iter().map(|(name, address)| {
        let signature = interface::find(name).map(|function| function.signature(WIDTH));
        (name, Function { signature, address })
    })
}

/// The guest that runs.
pub fn with_guest<R>(result: impl FnOnce(&Guest) -> R, none: R) -> R {
    // SAFETY: used during a call of a host function only, or not at all.
    unsafe { Guest::current() }.map_or(none, result)
}

/// Does something for the guest that runs; the result as the ABI has it.
fn call(function: impl FnOnce(&Guest) -> Result<(), Error>) -> i32 {
    let none = Err(Error::NotOffered);
    with_guest(function, none).map_or_else(Error::number, |()| 0)
}

/// As [`call`], with a number of bytes as the result.
fn transfer(function: impl FnOnce(&Guest) -> Result<usize, Error>) -> isize {
    let none = Err(Error::NotOffered);
    match with_guest(function, none) {
        Ok(count) => count as isize,
        Err(error) => error.number() as isize,
    }
}

#[unsafe(no_mangle)]
extern "C" fn pv_console_write(buffer: *const c_void, length: usize) -> isize {
    transfer(|guest| guest.console_write(buffer as u64, length as u64))
}

#[unsafe(no_mangle)]
extern "C" fn pv_console_read(buffer: *mut c_void, length: usize) -> isize {
    transfer(|guest| guest.console_read(buffer as u64, length as u64))
}

#[unsafe(no_mangle)]
extern "C" fn pv_clock_now() -> u64 {
    with_guest(Guest::clock_now, 0)
}

#[unsafe(no_mangle)]
extern "C" fn pv_clock_wall() -> u64 {
    with_guest(Guest::clock_wall, 0)
}

#[unsafe(no_mangle)]
extern "C" fn pv_timer_start(timer: u32, first: u64, period: u64) -> i32 {
    call(|guest| guest.timer_start(timer, first, period))
}

#[unsafe(no_mangle)]
extern "C" fn pv_timer_stop(timer: u32) -> i32 {
    call(|guest| guest.timer_stop(timer))
}

#[unsafe(no_mangle)]
extern "C" fn pv_irq_attach(line: u32) -> i32 {
    call(|guest| guest.irq_attach(line))
}

#[unsafe(no_mangle)]
extern "C" fn pv_irq_detach(line: u32) -> i32 {
    call(|guest| guest.irq_detach(line))
}

#[unsafe(no_mangle)]
extern "C" fn pv_irq_mask(line: u32) -> i32 {
    call(|guest| guest.irq_mask(line))
}

#[unsafe(no_mangle)]
extern "C" fn pv_irq_unmask(line: u32) -> i32 {
    call(|guest| guest.irq_unmask(line))
}

#[unsafe(no_mangle)]
extern "C" fn pv_irq_raise(line: u32) -> i32 {
    call(|guest| guest.irq_raise(line))
}

#[unsafe(no_mangle)]
extern "C" fn pv_cpu_idle() {
    with_guest(Guest::cpu_idle, ());
}

#[unsafe(no_mangle)]
extern "C" fn pv_cpu_set_tls(base: usize) -> i32 {
    call(|guest| guest.cpu_set_tls(base as u64))
}

/// Returns, though the guest knows it as a function that does not: its gate leaves the guest.
#[unsafe(no_mangle)]
extern "C" fn pv_shutdown(reason: u32, code: i32) {
    with_guest(|guest| guest.shutdown(reason, code), ());
}
