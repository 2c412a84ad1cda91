// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/timer.h>`.

use core::ffi::c_void;

use paravirt_bsp::Error;
use paravirt_bsp::timer::{self, RawHandler, Timer};

fn with(timer: u32, action: impl FnOnce(Timer) -> Result<(), Error>) -> i32 {
    Error::status(Timer::new(timer).ok_or(Error::NoSuchDevice).and_then(action))
}

/// Starts a timer anew: first expiration `first` ns from now, then every `period` ns; 0 means once.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_timer_start(timer: u32, first: u64, period: u64) -> i32 {
    with(timer, |timer| timer.start_ns(first, period))
}

/// Stops a timer.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_timer_stop(timer: u32) -> i32 {
    with(timer, Timer::stop)
}

/// Expirations of a timer since the guest's start; 0 if there is no such timer.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_timer_expirations(timer: u32) -> u64 {
    Timer::new(timer).map_or(0, Timer::expirations)
}

/// Has `handler` called after each expiration.
///
/// # Safety
/// `handler` is called with `argument`, with interrupts off, until it is detached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_timer_attach(timer: u32, handler: RawHandler, argument: *mut c_void) -> i32 {
    // SAFETY: passed on to the caller.
    with(timer, |timer| unsafe { timer.attach_raw(handler, argument) })
}

/// Takes the handler away.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_timer_detach(timer: u32) -> i32 {
    with(timer, Timer::detach)
}

/// Calls the handlers of the timers that have expired; for a handler of the timer line.
///
/// # Safety
/// As [`timer::on_line`] says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_timer_dispatch(line: u32, argument: *mut c_void) {
    // SAFETY: passed on to the caller.
    unsafe { timer::on_line(line, argument) };
}
