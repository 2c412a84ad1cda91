// SPDX-License-Identifier: MIT OR Apache-2.0
//! A signal sent at every instruction of the paths on which it could be lost, see [`test_trace::signals`].

use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use paravirt_aarch64_tests::{program, run_on_linux};
use pvhost::image::Image;
use test_support::need::{Need, User};
use test_trace::Traced;
use test_trace::signals::{self, Places};

use crate::guest::Arch;

/// The signal of the console of a guest that is an ordinary Linux program. Any raises its line, where one of the timers
/// finds what is due.
const CONSOLE: i32 = libc::SIGIO;
/// That of the alarm in the program of the process host, on which the guest's timers stand.
const ALARM: i32 = libc::SIGURG;
/// After that time the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);
/// The same with all on an emulated machine.
const LIMIT_ON_KERNEL: Duration = Duration::from_secs(300);
/// The guest, and what it is called where it is built for AArch64.
const GUEST: &str = "signals";
const GUEST_FOR_AARCH64: &str = "el0-signals";

/// The guest's vCPU page, and the window at its upcall's end.
fn places(path: &Path) -> (u64, Range<u64>) {
    let image = Image::open(path).unwrap_or_else(|error| panic!("{error}"));
    let symbol = |name| image.symbols().address_of(name).expect(name);
    (
        symbol("__paravirt_vcpu"),
        symbol("__paravirt_upcall_window")..symbol("__paravirt_upcall_window_end"),
    )
}

/// Sends them to the guest as an ordinary Linux program.
///
/// # Panics
/// As [`signals::check`].
pub fn check(arch: Arch) {
    let path = test_support::guest(arch, GUEST);
    let (page, window) = places(&path);
    let mut command = Command::new(&path);
    // Input that does not come, and so raises nothing by itself.
    let (reader, _writer) = io::pipe().expect("a pipe");
    command.stdin(reader).stdout(Stdio::null());
    let program = match Traced::spawn(&mut command, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Need::User(User::Tracing).panic(&error.to_string())
        }
        program => program.expect("the guest can be traced"),
    };
    println!("{arch}:");
    signals::check(program, Places::new(CONSOLE, page, window)).expect("the guest can be traced");
}

/// Sends them on a Linux kernel for AArch64: to the guest as an ordinary program, and in the process host.
///
/// # Panics
/// As [`signals::check`].
pub fn check_on_kernel() {
    let path = test_support::guest(Arch::Aarch64, GUEST_FOR_AARCH64);
    let (page, Range { start, end }) = places(&path);
    let programs = [
        ("test-trace", program("test-trace")),
        ("pvhost", program("pvhost")),
        ("guest", path),
    ];
    let commands = [(CONSOLE, "/guest"), (ALARM, "/pvhost run /guest -- timer")]
        .map(|(signal, command)| format!("/test-trace {signal} {page} {start} {end} {command}"));
    for (command, (status, said)) in commands
        .iter()
        .zip(run_on_linux(&programs, &commands, &[], LIMIT_ON_KERNEL))
    {
        println!("{command}: {said}");
        assert_eq!(status, 0, "{command}: {said}");
    }
}
