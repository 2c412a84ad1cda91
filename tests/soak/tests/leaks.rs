// SPDX-License-Identifier: MIT OR Apache-2.0
//! In a program of its own: what other tests hold must not be counted.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use paravirt_reliability_tests::leaks;

/// A KiB a guest would be too much.
#[test]
fn a_thousand_guests_leave_nothing_behind() {
    leaks::check(1000, 1 << 20);
}
