// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cores of guests in QEMU and under Xen, of which the machine is asked before it ends.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output};

use paravirt_build::emulators;
use test_support::{qemu, ring0_guest, workspace, xen};

use super::core::{Place, has_all, has_frames};
use super::guests::{Arch, Running, text};

impl Place {
    /// The command that runs a guest on that host, with a core here.
    fn command_on(&self, host: &str, guest: &Path, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.command(guest, &[&["--host", host], options].concat(), arguments);
        emulators::environment(&mut command, &workspace());
        command
    }

    fn run_on(&self, host: &str, guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
        let mut command = self.command_on(host, guest, options, arguments);
        command.output().expect("pvhost starts")
    }
}

/// Where cores can be had, with a guest that can run there.
fn pairs() -> Vec<(&'static str, Arch, std::path::PathBuf)> {
    let _ = (qemu(), xen());
    let pairs = [("qemu", Arch::X86_64), ("qemu", Arch::I386), ("xen-pv", Arch::X86_64)];
    pairs
        .map(|(host, arch)| (host, arch, ring0_guest(arch, "fault")))
        .into()
}

#[test]
fn a_machine_leaves_a_core_as_a_process_does() {
    for (host, arch, guest) in pairs() {
        for (end, status, callers) in [
            // Through the frame of the exception to who raised it.
            ("undefined", 5, &["report", "paravirt_main"][..]),
            ("panic", 3, &["shutdown", "rust_begin_unwind", "paravirt_main"]),
            ("reset", 4, &["shutdown", "paravirt_main"]),
        ] {
            let place = Place::new();
            let output = place.run_on(host, &guest, &[], &[end]);
            let (status_there, stderr) = (output.status.code(), text(&output.stderr));
            assert_eq!(status_there, Some(status), "{host} {arch} {end}: {stderr}");
            has_all(&stderr, &["the guest is in the core "]);
            // It may still be at saying so.
            let said = place.gdb(&guest, &["bt"]);
            has_frames(&said, &["exit"]);
            has_frames(&said, callers);
            let said = place.gdb(&guest, &["x/4xb &__image_start", "info threads"]);
            has_all(&said, &["0x7f\t0x45\t0x4c\t0x46", "* 1    LWP 1 "]);
        }
        for (arguments, status) in [(&["exit", "0"][..], 0), (&["exit", "7"], 7)] {
            let place = Place::new();
            let output = place.run_on(host, &guest, &[], arguments);
            assert_eq!(output.status.code(), Some(status), "{host} {arch}");
            assert!(output.stderr.is_empty(), "{host} {arch}: {}", text(&output.stderr));
            assert!(place.files().is_empty(), "{host} {arch}");
        }
    }
}

#[test]
fn a_machine_that_hangs_is_seen_where_it_does() {
    for (host, arch, guest) in pairs() {
        let place = Place::new();
        let mut command = place.command_on(host, &guest, &["--quiet"], &["spin"]);
        let mut running = Running::start_until(command.process_group(0), "spinning");
        // As a terminal does.
        // SAFETY: no pointers; a group of our child's, which has not been waited for.
        unsafe { libc::kill(-(running.0.id() as i32), libc::SIGINT) };
        assert_eq!(running.ends().signal(), Some(libc::SIGINT), "{host} {arch}");
        let said = place.gdb(&guest, &["bt"]);
        has_all(&said, &["terminated with signal SIGINT", " paravirt_main ("]);
    }
}

/// Without a page that is not mapped below the stack, a guest for i386 overwrites its own code until it cannot report
/// anything any more.
#[test]
fn a_machine_that_resets_itself_leaves_a_core_of_that_moment() {
    let _ = qemu();
    let guest = ring0_guest(Arch::I386, "fault");
    let place = Place::new();
    let output = place.run_on("qemu", &guest, &[], &["overflow"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    has_all(
        &stderr,
        &["the machine was reset or switched off", "the guest is in the core "],
    );
    let said = place.gdb(&guest, &["set language c", "p $sp < &__stack_start", "info threads"]);
    has_all(&said, &["$1 = 1\n", "* 1    LWP 1 "]);
}

#[test]
fn what_cannot_be_is_said() {
    let _ = (qemu(), xen());
    let guest = ring0_guest(Arch::X86_64, "fault");
    let place = Place::new();
    let output = place.run_on("xen-pvh", &guest, &[], &["undefined"]);
    assert_eq!(output.status.code(), Some(1));
    has_all(
        &text(&output.stderr),
        &["no core of a guest on xen-pvh", "`--host xen-pv`"],
    );

    // Xen says that the domain has crashed: there is none any more.
    let output = place.run_on("xen-pv", &guest, &[], &["overflow"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    has_all(
        &stderr,
        &["warning: cannot write the core ", "the processor was not in the guest"],
    );

    let output = place.run_on("qemu", &guest, &["--core=/dev/full"], &["undefined"]);
    assert_eq!(output.status.code(), Some(2), "one core is enough");
    assert!(place.files().is_empty());
}

#[test]
fn a_full_disk_does_not_change_how_a_machine_ended() {
    let _ = qemu();
    let guest = ring0_guest(Arch::I386, "fault");
    let place = Place::at("/dev/full".as_ref());
    let output = place.run_on("qemu", &guest, &[], &["undefined"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    has_all(
        &stderr,
        &["warning: cannot write the core /dev/full: No space left on device"],
    );
}
