// SPDX-License-Identifier: MIT OR Apache-2.0
//! gdb with a program of RTEMS in a process (`pvhost run --gdb`): its tasks are threads.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use paravirt_build::hosts;
use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;
use test_support::{gdb, has_in_order};

/// Until the guest waits for its debugger, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(20);

/// Runs a program under gdb, which does that; what gdb prints. The guest's status is 0.
fn session(program: &Path, options: &[&str], commands: &[&str]) -> String {
    test_support::program("gdb");
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
    let printed = gdb(&[&[target.as_str()], commands].concat(), &[""; 0]);
    let status = guest.wait().expect("our child");
    assert!(status.success(), "{status}: {printed}");
    printed
}

/// Three tasks: stopped in, listed, each with its callers, stepped over a call, to the end, in two ways of time.
pub fn tickers_tasks_are_threads() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    for time in ["real", "fast"] {
        let printed = session(
            &program,
            &["--time", time],
            &[
                "break Test_task",
                "continue",
                "backtrace",
                "break rtems_task_wake_after",
                "continue",
                "continue",
                "continue",
                "continue",
                "info threads",
                "thread apply all backtrace",
                "delete",
                "finish",
                "next",
                "continue",
            ],
        );
        let expected = [
            "hit Breakpoint 1, Test_task",
            "#0  Test_task",
            "in _Thread_Handler",
            "hit Breakpoint 2, rtems_task_wake_after",
            "(TA1: ",
            "(IDLE: ready, priority 255)",
            "(TA2: ",
            "(TA3: ",
            // One that waits, from the kernel's switch to its body.
            "_Thread_D",
            "in rtems_task_wake_after",
            "in Test_task",
            "in _Thread_Handler",
            "Run till exit",
            "exited normally",
        ];
        has_in_order(&printed, &expected);
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
        // The first of the tasks that waits now.
        "python print(len(gdb.selected_inferior().threads()))",
        "python [t.switch() for t in gdb.selected_inferior().threads() if 'TA1' in (t.details or '')]",
        "thread",
        "next",
        "thread",
        "continue",
    ];
    let printed = session(&program, &["--time", "fast"], &commands);
    has_in_order(&printed, &["(TA1: delay", "(TA1: running", "exited normally"]);
}
