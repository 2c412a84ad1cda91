// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions of version 1: the one list of them.
//!
//! What names every function is made from the list: the declarations of `paravirt-bsp`, the tables of the hosts, the C
//! header `paravirt/interface.h` and the table in this crate's `README.md` (both by `cargo xtask interface`).
//! `CONTRIBUTING.md` says what else a new function takes.

use crate::signature::{Argument, ResultOf, Signature, Type, Width};

/// The list: calls the macro `$with` with the declarations of all interface functions, by class, in the order of
/// the document, behind whatever words it is given. Each is as [`l4_external_func!`] of `paravirt-bsp` takes it; `safe`
/// are those that ask nothing of their callers. Its documentation is for Rust and C.
///
/// [`l4_external_func!`]: https://docs.rs/paravirt-bsp
#[macro_export]
macro_rules! interface_functions {
    ($with:ident $(, $($word:tt)+)?) => {
        $with! {
            $($($word)+)?
            console {
                /// Writes up to `len` bytes to the console; the number of bytes taken, or an error.
                pub fn pv_console_write(buf: *const u8, len: usize) -> isize;
                /// Reads up to `len` bytes; 0 if there are none now, `END_OF_INPUT` after the last. New input raises
                /// the console line.
                pub fn pv_console_read(buf: *mut u8, len: usize) -> isize;
            }
            clock {
                /// Monotonic time since the guest's start, in ns.
                pub safe fn pv_clock_now() -> u64;
                /// Unix time in ns.
                pub safe fn pv_clock_wall() -> u64;
            }
            timer {
                /// Starts a timer that expires `first` ns from now and then every `period` ns; period 0 means once. A
                /// period that is too short for the host is an `INVALID_ARGUMENT`; times beyond 2^63 ns are never
                /// reached.
                pub safe fn pv_timer_start(timer: u32, first: u64, period: u64) -> i32;
                /// Stops a timer.
                pub safe fn pv_timer_stop(timer: u32) -> i32;
            }
            irq {
                /// Claims a line and unmasks it.
                pub safe fn pv_irq_attach(line: u32) -> i32;
                /// Masks a line and gives it up.
                pub safe fn pv_irq_detach(line: u32) -> i32;
                /// Keeps a line from becoming pending; the host remembers that it was raised. What is pending already
                /// is withdrawn. Masking and unmasking need no attachment.
                pub safe fn pv_irq_mask(line: u32) -> i32;
                /// Lets a line become pending again; what was raised meanwhile is delivered.
                pub safe fn pv_irq_unmask(line: u32) -> i32;
                /// Raises a line by software.
                pub safe fn pv_irq_raise(line: u32) -> i32;
            }
            cpu {
                /// Waits until a line is pending. Called with the virtual interrupt flag off.
                pub fn pv_cpu_idle();
                /// Sets the base of thread-local storage (fs on x86-64, gs on i386). User-mode hosts only.
                pub fn pv_cpu_set_tls(base: usize) -> i32;
            }
            power {
                /// Stops the guest; `reason` is a `shutdown::Reason`, in C one of PV_SHUTDOWN_*.
                pub safe fn pv_shutdown(reason: u32, code: i32) -> !;
            }
            port {
                /// Reads an x86 port of `width` 1, 2 or 4 bytes where the host grants it; the value, or an error.
                pub fn pv_port_in(port: u16, width: u32) -> i64;
                /// Writes an x86 port of `width` 1, 2 or 4 bytes where the host grants it.
                pub fn pv_port_out(port: u16, width: u32, value: u32) -> i32;
            }
        }
    };
}

/// One interface function.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceFunction {
    /// What it is about, by the name of the module in the guest's layer.
    pub class: &'static str,
    /// Its name, as in the string section.
    pub name: &'static str,
    /// Its result, on a guest of each [`Width`].
    pub result: [Type; 2],
    /// Names and types of its arguments.
    pub arguments: &'static [(&'static str, [Type; 2])],
    /// What it does, in lines.
    pub documentation: &'static [&'static str],
}

impl InterfaceFunction {
    /// Returns whether it is for ports of x86, which only those hosts offer that leave a guest a machine of its own.
    #[must_use]
    pub fn is_for_ports(&self) -> bool {
        self.class == "port"
    }

    /// The prototype word on a guest of that pointer width.
    #[must_use]
    pub const fn signature(&self, width: Width) -> Signature {
        let mut arguments = [Type::U8; Signature::MAX_ARGUMENTS];
        let mut i = 0;
        while i < self.arguments.len() {
            arguments[i] = self.arguments[i].1[width as usize];
            i += 1;
        }
        Signature::new(self.result[width as usize], arguments.split_at(self.arguments.len()).0)
    }
}

/// The function of that name, if version 1 has it.
#[must_use]
pub fn find(name: &str) -> Option<&'static InterfaceFunction> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Defines `FUNCTIONS` from a list.
macro_rules! functions {
    ($($class:ident { $(
        $(#[doc = $line:literal])*
        // An optional word leaves no variable to repeat by: a lifetime, which nobody writes there, is one.
        pub $(safe $($_never:lifetime)?)? fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;
    )* })*) => {
        /// Every function of the list, in its order.
        pub const FUNCTIONS: [InterfaceFunction; <[&str]>::len(&[$($(stringify!($name)),*),*])] = [$($(
            InterfaceFunction {
                class: stringify!($class),
                name: stringify!($name),
                result: <fn() $(-> $result)? as ResultOf>::ON,
                arguments: &[$((stringify!($argument), <$type as Argument>::ON)),*],
                documentation: &[$($line),*],
            }
        ),*),*];
    };
}
pub(crate) use functions;

interface_functions!(functions);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_documented() {
        for (index, function) in FUNCTIONS.iter().enumerate() {
            assert!(FUNCTIONS[..index].iter().all(|other| other.name != function.name));
            assert_eq!(find(function.name).map(|found| found.name), Some(function.name));
            assert!(!function.documentation.is_empty(), "{}", function.name);
        }
        assert!(find("pv_nothing").is_none());
    }

    #[test]
    fn a_size_has_the_width_of_the_guest() {
        let write = find("pv_console_write").expect("version 1 has it");
        assert_ne!(write.signature(Width::Bits32), write.signature(Width::Bits64));
    }
}
