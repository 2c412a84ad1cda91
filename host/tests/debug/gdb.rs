// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of a real gdb with guests of both widths (`--gdb`).

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use test_support::{gdb, has_in_order};

use super::guests::{Arch, Running, each, pvhost, run, text, wait_for};

/// A guest that waits for a debugger.
pub struct Debugged {
    pub running: Running,
    folder: TempDir,
}

impl Debugged {
    /// Starts it; with a console of its own, since what the guest prints does not matter.
    pub fn start(guest: &Path, options: &[&str], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = format!("--gdb=unix:{}", folder.path().join("gdb").display());
        let options = [&[place.as_str(), "--json"], options].concat();
        let mut command = pvhost(guest, &options, arguments);
        let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let debugged = Self { running, folder };
        wait_for("the socket", || debugged.socket().exists());
        debugged
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("gdb")
    }

    /// What gdb prints that does that.
    pub fn gdb(&self, commands: &[&str]) -> String {
        let target = format!("target remote {}", self.socket().display());
        gdb(&[&[target.as_str()], commands].concat(), &[""; 0])
    }

    /// Waits for its end.
    pub fn ends(self) -> Output {
        self.running.output()
    }
}

#[test]
fn the_guest_is_found_stopped_at_and_runs_to_its_end() {
    for (arch, guest) in each("hello") {
        let debugged = Debugged::start(&guest, &[], &[]);
        let output = debugged.gdb(&[
            "info files",
            "break pv_console_write",
            "continue",
            "backtrace 1",
            "continue",
        ]);
        let name = format!("Symbols from \"target:{}\"", guest.display());
        let width = if arch == Arch::I386 {
            "elf32-i386"
        } else {
            "elf64-x86-64"
        };
        let expected = [
            "in _start ()",
            &name,
            width,
            "Breakpoint 1 at 0x",
            "Breakpoint 1, 0x",
            "in pv_console_write",
            "exited normally",
        ];
        has_in_order(&output, &expected);
        let ended = debugged.ends();
        assert_eq!(ended.status.code(), Some(0), "{arch}: {}", text(&ended.stderr));
        assert_eq!(text(&ended.stdout), "Hello from a paravirtualized guest\n");
    }
}

#[test]
fn steps_lead_over_calls_of_the_host() {
    for (arch, guest) in each("hello") {
        let debugged = Debugged::start(&guest, &[], &[]);
        // The thunk is one instruction: behind the host function the guest is where it was called.
        let output = debugged.gdb(&[
            "break pv_console_write",
            "continue",
            "print/x *(void**)$sp",
            "stepi",
            "print/x (void*)$pc",
            "kill",
        ]);
        let value = |number: u32| {
            let line = output
                .lines()
                .find_map(|line| line.strip_prefix(&format!("${number} = ")));
            line.unwrap_or_else(|| panic!("{arch}: {output}")).to_owned()
        };
        assert_eq!(value(1), value(2), "{arch}: {output}");
        let ended = debugged.ends();
        assert_eq!(text(&ended.stdout), "Hello from a paravirtualized guest\n", "{arch}");
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        assert_eq!(signal, Some(libc::SIGKILL), "{arch}");
    }
}

#[test]
fn handlers_are_stopped_in_whatever_way_time_passes() {
    for time in ["real", "fast", "steps", "10"] {
        for (arch, guest) in each("ticker") {
            let debugged = Debugged::start(&guest, &["--time", time], &["20"]);
            let output = debugged.gdb(&[
                "break __paravirt_deliver",
                "continue",
                "delete",
                "break pv_clock_now",
                "continue",
                "info threads",
                "delete",
                "continue",
            ]);
            let expected = [
                "Breakpoint 1, ",
                "Breakpoint 2, ",
                "in pv_clock_now",
                "* 1 ",
                "(guest)",
                "exited normally",
            ];
            has_in_order(&output, &expected);
            assert_eq!(debugged.ends().status.code(), Some(0), "{arch}, {time}");
        }
    }
}

/// It was interrupted by its host, at the end of a call, in host code that no debugger sees.
#[test]
fn a_handler_of_an_interrupt_in_a_call_of_the_host_has_the_callers_of_that() {
    for time in ["real", "fast"] {
        for (arch, guest) in each("fault") {
            let debugged = Debugged::start(&guest, &["--time", time], &["raised"]);
            let output = debugged.gdb(&["continue", "backtrace", "continue", "continue"]);
            let expected = [
                "SIGILL",
                "#0  fault::faults",
                " paravirt_bsp::irq::dispatch",
                "<signal handler called>",
                " in ?? ()",
                " paravirt_bsp::irq::Line::raise",
                " raises () at tests/guests/checks/src/bin/fault.rs:",
                " paravirt_main ",
                " in _start ()",
            ];
            has_in_order(&output, &expected);
            assert_eq!(debugged.ends().status.code(), Some(5), "{arch}, {time}");
        }
    }
}

#[test]
fn a_status_is_what_the_guest_ends_with() {
    for (arch, guest) in each("fault") {
        let debugged = Debugged::start(&guest, &[], &["exit", "7"]);
        has_in_order(&debugged.gdb(&["continue"]), &["exited with code 07"]);
        assert_eq!(debugged.ends().status.code(), Some(7), "{arch}");
    }
}

#[test]
fn a_fault_stops_the_guest_and_ends_it_then() {
    for (argument, expected) in [
        ("null", "SIGSEGV"),
        ("undefined", "SIGILL"),
        ("jump", "SIGSEGV"),
        ("overflow", "SIGSEGV"),
    ] {
        for (arch, guest) in each("fault") {
            let debugged = Debugged::start(&guest, &[], &[argument]);
            let output = debugged.gdb(&["continue", "info registers", "continue"]);
            has_in_order(&output, &[expected, "ip ", "exited with code 05"]);
            let ended = debugged.ends();
            assert_eq!(ended.status.code(), Some(5), "{arch}, {argument}");
            assert!(text(&ended.stderr).contains("guest fault: "), "{arch}, {argument}");
        }
    }
}

#[test]
fn a_breakpoint_of_the_guests_own_is_one() {
    for (arch, guest) in each("fault") {
        let debugged = Debugged::start(&guest, &[], &["breakpoint"]);
        let output = debugged.gdb(&["continue", "continue"]);
        has_in_order(&output, &["SIGTRAP", "exited "]);
        assert_ne!(debugged.ends().status.code(), Some(5), "{arch}: it goes on behind it");
    }
}

#[test]
fn what_is_watched_stops_the_guest() {
    for (arch, guest) in each("ticker") {
        let debugged = Debugged::start(&guest, &["--time", "fast"], &["20"]);
        // The interrupt flag in the vCPU's page.
        let output = debugged.gdb(&["watch *((int*)&__paravirt_vcpu + 1)", "continue", "delete", "continue"]);
        let expected = ["atchpoint 1: ", "Old value = ", "New value = ", "exited normally"];
        has_in_order(&output, &expected);
        assert_eq!(debugged.ends().status.code(), Some(0), "{arch}");
    }
}

/// Its own stub, with the same option; not where it does not find the guest's memory.
#[test]
fn qemu_has_a_debugger_too() {
    let _ = test_support::qemu();
    for arch in Arch::ALL {
        let guest = test_support::ring0_guest(arch, "hello");
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("its address")
            .port();
        let options = ["--host", "qemu", &format!("--gdb={port}")];
        let mut command = pvhost(&guest, &options, &[]);
        let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        wait_for("QEMU", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let target = format!("target remote 127.0.0.1:{port}");
        let commands = [&target, "break pv_console_write", "continue", "backtrace 1", "continue"];
        let printed = gdb(&commands, &[&guest]);
        has_in_order(&printed, &["Breakpoint 1, ", "in pv_console_write"]);
        let ended = running.output();
        assert_eq!(ended.status.code(), Some(0), "{arch}: {}", text(&ended.stderr));
        assert_eq!(text(&ended.stdout), "Hello from a paravirtualized guest\n", "{arch}");
        let refused = |options: &[&str], reason: &str| {
            let output = run(&guest, options, &[]);
            let stderr = text(&output.stderr);
            assert!(stderr.contains(reason), "{arch} {options:?}: {stderr}");
            assert!(output.stdout.is_empty(), "no guest has run");
        };
        refused(&["--host", "qemu", "--gdb=0"], "name one that is not 0");
        refused(&["--host", "qemu", "--gdb=unix:/no/such"], "give `--gdb=PORT`");
        refused(&["--host", "qemu", "--gdb=0.0.0.0:1234"], "(--gdb-open-to-network)");
        refused(&["--gdb=0.0.0.0:1234"], "(--gdb-open-to-network)");
        refused(&["--gdb-open-to-network"], "is for `--gdb=HOST:PORT` only");
        let xen = [
            "--host",
            "xen-pvh",
            "--gdb",
            "--xen",
            guest.to_str().expect("a plain name"),
        ];
        refused(&xen, "no debugger on ");
    }
}

/// The signals by which a guest is interrupted.
#[test]
fn gdb_runs_pvhost_itself_without_a_stop() {
    for (arch, guest) in each("ticker") {
        let program = env!("CARGO_BIN_EXE_pvhost");
        let name = guest.to_str().expect("a plain name");
        let printed = gdb(&["run"], &["--args", program, "run", name, "--", "20"]);
        has_in_order(&printed, &["*** end of ticker ***", "exited normally"]);
        assert!(!printed.contains("received signal"), "{arch}: {printed}");
    }
}

#[test]
fn registers_and_memory_can_be_changed() {
    for (arch, guest) in each("hello") {
        let debugged = Debugged::start(&guest, &[], &[]);
        let (pointer, length) = match arch {
            Arch::I386 => ("*(unsigned*)($esp+4)", "*(unsigned*)($esp+8)"),
            _ => ("$rdi", "$rsi"),
        };
        let text_of = format!("x/s {pointer}");
        let output = debugged.gdb(&[
            "set $xmm1.uint128 = 5",
            "print $xmm1.uint128",
            "set $st3 = 2.5",
            "print $st3",
            "set $mxcsr = 0x1fc0",
            "print/x $mxcsr",
            "break pv_console_write",
            "continue",
            &format!("set *(char*){pointer} = 'J'"),
            &format!("set {length} = 5"),
            &text_of,
            "continue",
            "continue",
        ]);
        has_in_order(&output, &["$1 = 5", "$2 = 2.5", "$3 = 0x1fc0", "Jello from"]);
        let written = text(&debugged.ends().stdout);
        assert!(written.starts_with("Jello"), "{arch}: {written}\n{output}");
    }
}
