// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time that passes, and values at the limits of the interface.

use std::io;
use std::time::{Duration, Instant};

use pvhost::process::Exit;

use super::guests::{each, output, place, pvhost, read_back, run, text, vm};

#[test]
fn idle_uses_no_processor_time() {
    for (arch, guest) in each("fault") {
        let start = Instant::now();
        let used = processor_time(pvhost(&guest, &["--timeout", "1"], &["hang"]));
        assert!(start.elapsed() >= Duration::from_secs(1), "{arch}");
        assert!(used < Duration::from_millis(100), "{arch}: {used:?}");
    }
}

#[test]
fn values_at_and_beyond_the_limits_are_handled() {
    for (arch, guest) in each("limits") {
        let output = run(&guest, &[], &[]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arch}: {}",
            text(&output.stdout)
        );
    }
}

#[test]
fn registers_survive_on_kernels_that_keep_fs_to_themselves() {
    let _place = place();
    for (arch, guest) in each("numeric") {
        let (console, written) = output();
        let vm = vm(&guest, console)
            .command_line("5000 200")
            .without_fsgsbase()
            .build()
            .expect("a guest for this host");
        let finished = vm.run().expect("the guest runs");
        let written = read_back(written);
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{arch}: {:?}\n{written}",
            finished.exit
        );
    }
}

/// Runs the command to its end; the processor time that it used.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
fn processor_time(mut command: std::process::Command) -> Duration {
    let child = command.spawn().expect("pvhost starts");
    // SAFETY: all zeros is a valid value of this C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let (mut status, process) = (0, child.id() as libc::pid_t);
    // SAFETY: live variables; nobody else waits for this child.
    let waited = unsafe { libc::wait4(process, &mut status, 0, &mut usage) };
    assert_eq!(waited, process, "{}", io::Error::last_os_error());
    let duration = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}
