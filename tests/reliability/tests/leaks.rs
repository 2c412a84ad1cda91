// SPDX-License-Identifier: MIT OR Apache-2.0
//! In a program of its own: what other tests hold must not be counted.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use paravirt_reliability_tests::leaks;

#[test]
fn guests_leave_nothing_behind() {
    leaks::check(20, 1 << 20);
}
