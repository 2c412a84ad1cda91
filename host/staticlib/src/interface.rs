// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions and those of L4RTEMS, as C functions with the prototypes of the ABI, for the guest that
//! runs. The latter have the C ABI's convention.

use core::ffi::c_void;

use paravirt_abi::error::Error;
use paravirt_abi::interface;
use paravirt_host_core::guest::{self, WIDTH};
use paravirt_host_core::l4rtems::OFFERED;
use paravirt_host_core::prototype_match;

use crate::functions::Function;
use crate::platform::Platform;

/// A guest on the host's callbacks.
type Guest = guest::Guest<Platform>;

/// Defines C functions, and the list of them.
macro_rules! functions {
    ($list:ident { $(fn $name:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)? = $body:expr;)* }) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $ty),*) $(-> $result)? {
                $body
            }
        )*

        fn $list() -> [(&'static str, usize); [$(stringify!($name)),*].len()] {
            [$((stringify!($name), $name as *const () as usize)),*]
        }
    };
}

functions! { interface {
    fn pv_clock_now() -> u64 = with_guest(Guest::clock_now, 0);
    fn pv_clock_wall() -> u64 = with_guest(Guest::clock_wall, 0);
    fn pv_console_read(buffer: *mut c_void, length: usize) -> isize =
        transfer(|guest| guest.console_read(buffer as u64, length as u64));
    fn pv_console_write(buffer: *const c_void, length: usize) -> isize =
        transfer(|guest| guest.console_write(buffer as u64, length as u64));
    fn pv_cpu_idle() = with_guest(Guest::cpu_idle, ());
    fn pv_cpu_set_tls(base: usize) -> i32 = call(|guest| guest.cpu_set_tls(base as u64));
    fn pv_irq_attach(line: u32) -> i32 = call(|guest| guest.irq_attach(line));
    fn pv_irq_detach(line: u32) -> i32 = call(|guest| guest.irq_detach(line));
    fn pv_irq_mask(line: u32) -> i32 = call(|guest| guest.irq_mask(line));
    fn pv_irq_raise(line: u32) -> i32 = call(|guest| guest.irq_raise(line));
    fn pv_irq_unmask(line: u32) -> i32 = call(|guest| guest.irq_unmask(line));
    // Returns, though the guest knows it as a function that does not: its gate leaves the guest.
    fn pv_shutdown(reason: u32, code: i32) = with_guest(|guest| guest.shutdown(reason, code), ());
    fn pv_timer_start(timer: u32, first: u64, period: u64) -> i32 =
        call(|guest| guest.timer_start(timer, first, period));
    fn pv_timer_stop(timer: u32) -> i32 = call(|guest| guest.timer_stop(timer));
} }

functions! { then {
    fn l4rtems_detachIrq(number: u32) = with_guest(|guest| guest.l4rtems_detach_irq(number), ());
    fn l4rtems_inch() -> i32 = with_guest(Guest::l4rtems_inch, Error::NotOffered.number());
    fn l4rtems_outch(character: i8) = with_guest(|guest| guest.l4rtems_outch(character), ());
    fn l4rtems_requestIrq(number: u32) -> u8 =
        with_guest(|guest| guest.l4rtems_request_irq(number), 0);
    fn l4rtems_timer_read() -> u32 = with_guest(Guest::l4rtems_timer_read, 0);
    fn l4rtems_timer_start(period: u64, first: u64) =
        with_guest(|guest| guest.l4rtems_timer_start(period, first), ());
    fn l4rtems_timer_stop() = with_guest(Guest::l4rtems_timer_stop, ());
} }

/// Those that are provided without a word of the host.
pub fn functions() -> impl Iterator<Item = (&'static str, Function)> {
    interface().into_iter().map(|(name, address)| {
        let signature = interface::find(name).map(|function| function.signature(WIDTH));
        (name, Function { signature, address })
    })
}

/// And those of L4RTEMS that all hosts offer.
pub fn l4rtems() -> impl Iterator<Item = (&'static str, Function)> {
    let functions: [_; OFFERED.len()] = then();
    functions.into_iter().map(|(name, address)| {
        let signature = prototype_match::of_abi(name, WIDTH);
        (name, Function { signature, address })
    })
}

/// Does something for the guest that runs.
fn with_guest<R>(result: impl FnOnce(&Guest) -> R, none: R) -> R {
    // SAFETY: used during a call of a host function only, or not at all.
    unsafe { Guest::current() }.map_or(none, result)
}

/// The same; the result as the ABI has it.
fn call(function: impl FnOnce(&Guest) -> Result<(), Error>) -> i32 {
    let none = Err(Error::NotOffered);
    with_guest(function, none).map_or_else(Error::number, |()| 0)
}

/// The same, with a number of bytes as the result.
fn transfer(function: impl FnOnce(&Guest) -> Result<usize, Error>) -> isize {
    let none = Err(Error::NotOffered);
    match with_guest(function, none) {
        Ok(count) => count as isize,
        Err(error) => error.number() as isize,
    }
}
