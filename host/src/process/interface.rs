// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions, and those that L4RTEMS images call, as closures: each calls the core's of the same name.

use paravirt_abi::{interface_functions, l4rtems_functions};
use paravirt_host_core::offered_functions;

use super::functions::{Call, InGuest, Provided};

/// The names of a list, and closures with its prototypes.
macro_rules! closures {
    ($(
        $(#[$_attribute:meta])*
        pub $(safe $($_never:lifetime)?)? fn $name:ident($($argument:ident: $type:ty),*) $(-> $_result:ty)?;
    )*) => {
        [$((
            stringify!($name),
            Provided::new(|call: &mut Call $(, $argument: <$type as InGuest>::Type)*| {
                call.guest().$name($($argument.into()),*)
            }),
        )),*]
    };
}

pub(super) fn interface() -> impl Iterator<Item = (&'static str, Provided)> {
    interface_functions!(offered_functions, [closures] []).into_iter()
}

pub(super) fn l4rtems() -> impl Iterator<Item = (&'static str, Provided)> {
    l4rtems_functions!(offered_functions, [closures] []).into_iter()
}
