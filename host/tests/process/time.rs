// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use std::time::Instant;

use super::guests::{each, run};

#[test]
fn idle_uses_no_processor_time() {
    for (arch, guest) in each("fault") {
        let before = children_time();
        let start = Instant::now();
        run(&guest, &["--timeout", "1"], &["hang"]);
        let elapsed = start.elapsed().as_secs_f64();
        let used = children_time() - before;
        // Other tests' children end meanwhile, so this bound is loose; without idle it would be the whole time.
        assert!(elapsed >= 1.0, "{arch}");
        println!("{arch}: {used:.3} s in {elapsed:.3} s");
    }
}

/// Processor time of the children that have ended, in seconds.
fn children_time() -> f64 {
    // SAFETY: all zeros is a valid value of this C struct, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
