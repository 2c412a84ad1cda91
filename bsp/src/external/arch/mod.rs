// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thunks of each architecture.
//!
//! Every file defines one macro that gives the assembly of an entry as text. All are there on every architecture, so
//! that tests can assemble them anywhere; `__l4_external_native!` emits the one of this build.
//!
//! The resolver thunk hands the resolver two addresses on the stack and changes no register that could carry an
//! argument: at `[sp]` the symtab entry's address, one word above the slot's, above that what the caller's call left
//! there. The resolver removes both words, stores the function's address in the slot and jumps to the function.

mod aarch64;
mod armv7;
mod i386;
mod riscv64;
mod x86_64;

/// Emits the entry of `name` in this build.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_native {
    ($name:ident) => {
        #[cfg(target_arch = "x86_64")]
        $crate::__l4_external_emit!($name, $crate::__l4_external_x86_64!($name), att_syntax);
        #[cfg(target_arch = "x86")]
        $crate::__l4_external_emit!($name, $crate::__l4_external_i386!($name), att_syntax);
        #[cfg(target_arch = "aarch64")]
        $crate::__l4_external_emit!($name, $crate::__l4_external_aarch64!($name));
        #[cfg(target_arch = "arm")]
        $crate::__l4_external_emit!($name, $crate::__l4_external_armv7!($name));
        #[cfg(target_arch = "riscv64")]
        $crate::__l4_external_emit!($name, $crate::__l4_external_riscv64!($name));
    };
}
