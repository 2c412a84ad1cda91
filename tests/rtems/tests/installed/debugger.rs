// SPDX-License-Identifier: MIT OR Apache-2.0
//! gdb with a program of RTEMS in a process (`pvhost run --gdb`): its tasks are threads.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use paravirt_build::hosts;
use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;
use test_support::{gdb_at, has_in_order};

/// Until the guest waits for its debugger, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(20);

/// The system's gdb, and RTEMS' own where it is installed.
fn gdbs(rtems: &Installed) -> Vec<PathBuf> {
    test_support::program("gdb");
    let own = rtems.tool("gdb");
    [PathBuf::from("gdb")]
        .into_iter()
        .chain(own.is_file().then_some(own))
        .collect()
}

/// Runs a program under that gdb, which does that; what it prints. The guest's status is 0.
fn session(gdb: &Path, program: &Path, options: &[&str], commands: &[&str]) -> String {
    let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
    let folder = scratch();
    let socket = folder.path().join("gdb");
    let mut guest = Command::new(pvhost)
        .args(["run", "--timeout", "60", &format!("--gdb=unix:{}", socket.display())])
        .args(options)
        .arg(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("pvhost starts");
    let start = Instant::now();
    while !socket.exists() {
        assert!(start.elapsed() < SOON, "no socket");
        thread::sleep(Duration::from_millis(5));
    }
    let target = format!("target remote {}", socket.display());
    let printed = gdb_at(gdb, &[&[target.as_str()], commands].concat(), &[""; 0]);
    let status = guest.wait().expect("our child");
    assert!(status.success(), "{status}: {printed}");
    printed
}

/// Three tasks: stopped in, listed, each with its callers, stepped over a call, to the end, in two ways of time.
pub fn tickers_tasks_are_threads() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    let commands = [
        "break Test_task",
        "continue",
        "backtrace",
        "delete",
        "break rtems_task_wake_after",
        "continue",
        "continue",
        "continue",
        "info threads",
        "thread apply all backtrace",
        "delete",
        "echo back from the call:\\n",
        "finish",
        "next",
        "info threads",
        "continue",
    ];
    let expected = [
        "hit Breakpoint 1, Test_task",
        "#0  Test_task",
        "in _Thread_Handler",
        "hit Breakpoint 2, rtems_task_wake_after",
        "(TA1: delay",
        "(IDLE: ready, priority 255)",
        "(TA2: delay",
        "(TA3: running",
        // One that waits, from the kernel's switch to its body.
        "_Thread_D",
        "in rtems_task_wake_after",
        "in Test_task",
        "in _Thread_Handler",
        "back from the call:",
        "in Test_task",
        "(TA3: running",
        "exited normally",
    ];
    for gdb in gdbs(&rtems) {
        for time in ["real", "fast"] {
            let printed = session(&gdb, &program, &["--time", time], &commands);
            has_in_order(&printed, &expected);
        }
    }
}

/// A step of a task that does not run is done when it runs.
pub fn a_waiting_task_is_stepped() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    let commands = [
        "break rtems_task_wake_after",
        "continue",
        "continue",
        "delete",
        // The first of the tasks, which waits now.
        "thread 2",
        "info threads",
        "next",
        "info threads",
        "continue",
    ];
    for gdb in gdbs(&rtems) {
        let printed = session(&gdb, &program, &["--time", "fast"], &commands);
        let expected = ["(TA1: delay", "(TA2: running", "(TA1: running", "exited normally"];
        has_in_order(&printed, &expected);
    }
}
