// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cores of RTEMS' programs: every task is a thread of its own, with its callers.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use paravirt_rtems_tests::installed::Installed;
use paravirt_rtems_tests::run;
use paravirt_section_tests::scratch;
use pvhost::debug::core::CoreFile;
use pvhost::image::Image;
use pvhost::process::Exit;

/// Long enough for ticker's tasks to wait for their time, and not for its end.
const LIMIT: Duration = Duration::from_secs(4);

/// Sees that three of ticker's tasks wait for their time, and that the idle thread runs.
fn shows_the_tasks(program: &Path, core: &Path) {
    let said = test_support::gdb(&["info threads", "bt", "thread apply 2-4 bt"], &[program, core]);
    let has = |part: &str, count| assert_eq!(said.matches(part).count(), count, "{part:?} in {said}");
    // RTEMS' identifiers: class internal and Classic API, tasks, node 1.
    has(&format!("* 1    LWP {} ", 0x0901_0001), 1);
    for task in 2..=4 {
        has(&format!("  {task}    LWP {} ", 0x0a01_0000 + task), 1);
    }
    has(" in rtems_task_wake_after (", 3);
    has(" in Test_task (", 3);
    has(" in _Thread_Handler (", 4);
    has(" in bsp_idle_task_body (", 1);
}

pub fn every_task_is_a_thread_of_a_core() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    let folder = scratch();
    let core = folder.path().join("core");
    let image = Image::open(&program).expect("a sound image");
    let file = CoreFile::create(&core, &image).expect("a place for it");
    let null = File::open("/dev/null").expect("Linux has it");
    let (finished, printed) = run::guest_of(|builder| builder.core(file), &program, null, LIMIT);
    assert!(matches!(finished.exit, Exit::Timeout), "{:?}: {printed}", finished.exit);
    finished.core.expect("it is due").expect("there is room");
    shows_the_tasks(&program, &core);
}

pub fn every_task_is_a_thread_of_a_core_of_qemu() {
    let rtems = Installed::find();
    let _ = test_support::qemu();
    let program = rtems.program("samples/ticker.exe");
    let folder = scratch();
    let core = folder.path().join("core");
    let output = Command::new(env!("CARGO_BIN_EXE_rtems-emulate"))
        .arg("qemu")
        .args([&program, &core])
        .arg("8")
        .stdin(Stdio::null())
        .output()
        .expect("the emulator starts");
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    shows_the_tasks(&program, &core);
}
