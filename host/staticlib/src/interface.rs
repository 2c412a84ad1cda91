// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions and those of L4RTEMS, as C functions with the prototypes of the ABI, for the guest that
//! runs: each calls the core's of the same name. The latter have the C ABI's convention.

use paravirt_abi::error::Error;
use paravirt_abi::{interface_functions, l4rtems_functions};
use paravirt_host_core::guest::{self, Stopped, WIDTH};
use paravirt_host_core::{offered_functions, prototype_match};

use crate::functions::Function;
use crate::platform::Platform;

/// A guest on the host's callbacks.
type Guest = guest::Guest<Platform>;

/// Defines the C functions of a list, and the list of their addresses.
macro_rules! c_functions {
    (@ $list:ident $(
        $(#[$_attribute:meta])*
        pub $(safe $($_never:lifetime)?)? fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;
    )*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $type),*) -> <fn() $(-> $result)? as Returns>::C {
                // SAFETY: used during a call of a host function only, or not at all.
                let guest = unsafe { Guest::current() };
                guest.map_or(Returned::NONE, |guest| guest.$name($($argument as _),*).in_c())
            }
        )*

        fn $list() -> impl Iterator<Item = (&'static str, usize)> {
            [$((stringify!($name), $name as *const () as usize)),*].into_iter()
        }
    };
}

interface_functions!(offered_functions, [c_functions] [@ interface]);
l4rtems_functions!(offered_functions, [c_functions] [@ of_l4rtems]);

/// Those that are provided without a word of the host.
pub fn functions() -> impl Iterator<Item = (&'static str, Function)> {
    interface().map(with_prototype)
}

/// And those of L4RTEMS that all hosts offer.
pub fn l4rtems() -> impl Iterator<Item = (&'static str, Function)> {
    of_l4rtems().map(with_prototype)
}

fn with_prototype((name, address): (&'static str, usize)) -> (&'static str, Function) {
    let signature = prototype_match::of_abi(name, WIDTH);
    (name, Function { signature, address })
}

/// What a C function returns here that a list declares with the result of this type.
trait Returns {
    type C;
}

impl<T: Returned> Returns for fn() -> T {
    type C = T;
}

/// It does return, though the guest knows it as a function that does not: its gate leaves the guest.
impl Returns for fn() -> ! {
    type C = ();
}

/// A result in C.
trait Returned {
    /// What is returned if no guest runs.
    const NONE: Self;
}

/// A result of the core as that of C.
trait InC<C> {
    fn in_c(self) -> C;
}

macro_rules! plain {
    ($($type:ty: $none:expr),*) => {$(
        impl Returned for $type {
            const NONE: Self = $none;
        }

        impl InC<Self> for $type {
            fn in_c(self) -> Self {
                self
            }
        }
    )*};
}

plain! { (): (), u8: 0, u32: 0, u64: 0, i32: Error::NotOffered.number() }

impl Returned for isize {
    const NONE: Self = Error::NotOffered.number() as Self;
}

impl InC<i32> for Result<(), Error> {
    fn in_c(self) -> i32 {
        self.map_or_else(Error::number, |()| 0)
    }
}

impl InC<isize> for Result<usize, Error> {
    fn in_c(self) -> isize {
        self.map_or_else(|error| error.number() as isize, |count| count as isize)
    }
}

impl InC<()> for Stopped {
    fn in_c(self) {}
}
