// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs check guests on the Linux process host, in this process, for a short time here and for a long one in the soak
//! tests.
//!
//! The guests come from `cargo xtask guests`; `PARAVIRT_GUESTS` names their folder, `target/guests` by default.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

pub mod guest;
pub mod leaks;
pub mod numeric;
pub mod rate;
pub mod signals;
pub mod stack;
pub mod storm;
pub mod walk;

/// For each function named: two tests, which call it with an [`Arch`](guest::Arch) each.
#[macro_export]
macro_rules! on_each_architecture {
    ($($test:ident),* $(,)?) => {
        mod x86_64 {
            $(#[test]
            fn $test() {
                super::$test($crate::guest::Arch::X86_64);
            })*
        }
        mod i386 {
            $(#[test]
            fn $test() {
                super::$test($crate::guest::Arch::I386);
            })*
        }
    };
}
