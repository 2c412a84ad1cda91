// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS for a long time.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::time::Duration;

use paravirt_rtems_tests::long;

#[test]
fn ticks_and_memory_are_right_after_ten_minutes() {
    long::tick(Duration::from_secs(600));
}
