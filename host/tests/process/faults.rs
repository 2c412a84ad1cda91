// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of guest faults, and of the host's own.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use super::guests::{each, pvhost, run, text};

/// Runs the guest that ends in that way and checks that the report has all of these.
fn report(end: &str, expected: &[&str]) {
    for (arch, guest) in each("fault") {
        let output = run(&guest, &[], &[end]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arch} {end}: {stderr}");
        assert!(
            stderr.starts_with("pvhost: guest fault: "),
            "{arch} {end}: {stderr}"
        );
        for part in expected {
            assert!(
                stderr.contains(part),
                "{arch} {end}: no {part:?} in {stderr}"
            );
        }
    }
}

#[test]
fn a_bad_address_is_named_with_function_and_instruction() {
    report(
        "null",
        &[
            "bad read from address 0x10,",
            "fault::read_null+0x",
            "instruction: mov",
            "null pointer",
        ],
    );
}

#[test]
fn a_write_to_code_is_told_from_a_jump() {
    report(
        "text",
        &[
            "bad write to address 0x",
            "which is r-x",
            "fault::write_text+0x",
            "write to code",
        ],
    );
}

#[test]
fn a_jump_to_nowhere_without_a_stack_is_the_guests() {
    report(
        "lost",
        &["bad execution at address 0x50,", "there is no stack"],
    );
}

/// The guest checks alignment. The host does not, in host functions and in signal handlers.
#[test]
fn an_alignment_check_is_the_guests_alone() {
    for (arch, guest) in each("alignment") {
        let output = run(&guest, &[], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arch}: {stderr}");
    }
}

#[test]
fn a_jump_to_nowhere_names_the_caller() {
    report(
        "jump",
        &[
            "bad execution at address 0x50,",
            "return address",
            "fault::jump_nowhere+0x",
            "not bound?",
        ],
    );
}

#[test]
fn privileged_instructions_are_named() {
    for name in ["cli", "hlt", "out"] {
        let hint = format!("`{name}` is privileged: was this image built without RTEMS_PARAVIRT?");
        report(name, &["general protection fault", &hint]);
    }
}

#[test]
fn other_faults_are_told_apart() {
    report("undefined", &["illegal instruction", "instruction: ud2"]);
    report("divide", &["division by zero", "instruction: div"]);
    report("breakpoint", &["breakpoint", "instruction: int3"]);
    report("overflow", &["the stack overflowed", "__stack_size"]);
}

#[test]
fn the_gates_are_the_only_way_to_the_host() {
    for (arch, guest) in each("fault") {
        let output = run(&guest, &[], &["syscall"]);
        if output.status.code() == Some(0) {
            println!("skipped: this kernel has no syscall user dispatch (Linux 5.11)");
            return;
        }
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arch}: {stderr}");
        assert!(
            stderr.contains("system call by guest code"),
            "{arch}: {stderr}"
        );
        assert!(stderr.contains("fault::call_linux+0x"), "{arch}: {stderr}");
    }
}

#[test]
fn a_fault_of_the_host_dies_by_its_signal_and_says_whose_it_is() {
    for (arch, guest) in each("fault") {
        let child = pvhost(&guest, &[], &["hang"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("pvhost starts");
        std::thread::sleep(Duration::from_millis(200));
        // The guest sleeps in the host's code.
        // SAFETY: no pointers; the child has not been waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGSEGV) };
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            output.status.signal(),
            Some(libc::SIGSEGV),
            "{arch}: {}",
            output.status
        );
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains("internal error: signal 11"),
            "{arch}: {stderr}"
        );
    }
}
