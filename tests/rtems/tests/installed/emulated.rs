// SPDX-License-Identifier: MIT OR Apache-2.0
//! With RTEMS and QEMU: the ELF that runs on the process host runs on a PC and in a PVH domain of Xen.

use std::path::Path;
use std::process::{Command, Stdio};

use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;

/// The hosts.
const HOSTS: [&str; 2] = ["qemu", "xen-pvh"];

/// Runs a program on each of them; it must exit with status 0 and print `text`.
fn run(program: &Path, text: &str) {
    let _ = (test_support::qemu(), test_support::xen());
    for host in HOSTS {
        let output = Command::new(env!("CARGO_BIN_EXE_rtems-emulate"))
            .arg(host)
            .arg(program)
            .stdin(Stdio::null())
            .output()
            .expect("the emulator starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && printed.contains(text),
            "{host}: {}\n{printed}\n{messages}",
            output.status
        );
    }
}

pub fn hello_runs() {
    let rtems = Installed::find();
    run(&rtems.program("samples/hello.exe"), "*** END OF TEST HELLO WORLD ***");
}

/// Here a mistake in the way from the processor's interrupt to the thread dispatch would show.
pub fn processor_state_survives_threads_and_interrupts() {
    let rtems = Installed::find();
    let folder = scratch();
    run(&rtems.app("cpu", folder.path()), "nested interrupts: right");
}

pub fn control_words_belong_to_threads() {
    let rtems = Installed::find();
    let folder = scratch();
    let text = "exceptions that a task has seen: right";
    run(&rtems.app("control", folder.path()), text);
}

pub fn the_smallest_stack_has_room_for_interrupts() {
    let rtems = Installed::find();
    let folder = scratch();
    run(&rtems.app("depth", folder.path()), "taken by interrupts: ");
}

pub fn cpp_exceptions_are_caught() {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.cpp_app("exceptions", folder.path(), &["-Wl,--gc-sections"]);
    run(&program, "in two tasks at a time: right");
}

pub fn code_runs_in_memory_of_images_with_the_dynamic_loader() {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.app_with("code", folder.path(), &["-DLOADER"]);
    run(&program, "code in memory gives 42");
}

pub fn what_is_raised_is_pending_and_can_be_cleared() {
    let rtems = Installed::find();
    let folder = scratch();
    run(&rtems.app("clear", folder.path()), "interrupts: right");
}

pub fn the_time_of_day_is_the_hosts() {
    let rtems = Installed::find();
    let folder = scratch();
    run(&rtems.app("rtc", folder.path()), "time of day: right");
}
