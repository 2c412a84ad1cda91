// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions of 2013, as C functions with the prototypes of then and today's convention, for the guest that runs.

use paravirt_abi::error::Error;
use paravirt_host_core::agreement;
use paravirt_host_core::guest::WIDTH;
use paravirt_host_core::legacy;

use crate::functions::Function;
use crate::interface::with_guest;

/// Those that are provided without a word of the host: all that hosts offer.
pub fn functions() -> impl Iterator<Item = (&'static str, Function)> {
    let functions: [(&str, usize); legacy::OFFERED.len()] = [
        ("l4rtems_detachIrq", l4rtems_detachIrq as *const () as usize),
        ("l4rtems_inch", l4rtems_inch as *const () as usize),
        ("l4rtems_outch", l4rtems_outch as *const () as usize),
        (
            "l4rtems_requestIrq",
            l4rtems_requestIrq as *const () as usize,
        ),
        (
            "l4rtems_timer_read",
            l4rtems_timer_read as *const () as usize,
        ),
        (
            "l4rtems_timer_start",
            l4rtems_timer_start as *const () as usize,
        ),
        (
            "l4rtems_timer_stop",
            l4rtems_timer_stop as *const () as usize,
        ),
    ];
    functions.into_iter().map(|(name, address)| {
        let signature = agreement::of_abi(name, WIDTH);
        (name, Function { signature, address })
    })
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_outch(character: i8) {
    with_guest(|guest| legacy::outch(guest, character), ());
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_inch() -> i32 {
    with_guest(legacy::inch, Error::NotOffered.number())
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_requestIrq(number: u32) -> u8 {
    with_guest(|guest| legacy::request_irq(guest, number), 0)
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_detachIrq(number: u32) {
    with_guest(|guest| legacy::detach_irq(guest, number), ());
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_timer_start(period: u64, first: u64) {
    with_guest(|guest| legacy::timer_start(guest, period, first), ());
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_timer_stop() {
    with_guest(legacy::timer_stop, ());
}

#[unsafe(no_mangle)]
extern "C" fn l4rtems_timer_read() -> u32 {
    with_guest(legacy::timer_read, 0)
}
