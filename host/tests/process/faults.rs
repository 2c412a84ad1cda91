// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of guest faults, and of the host's own.

use std::env;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::ptr;

use paravirt_abi::error::Error;
use pvhost::process::{Call, GuestConstPtr, GuestUsize};

use super::guests::{Arch, Running, again, each, guest, output, pvhost, run, text, vm};

/// Runs the guest that ends in that way and checks that the report has all of these.
fn report(end: &str, expected: &[&str]) {
    for (arch, guest) in each("fault") {
        let output = run(&guest, &[], &[end]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arch} {end}: {stderr}");
        assert!(stderr.starts_with("pvhost: guest fault: "), "{arch} {end}: {stderr}");
        for part in expected {
            assert!(stderr.contains(part), "{arch} {end}: no {part:?} in {stderr}");
        }
    }
}

/// The last line of a guest has no end yet. It comes all the same, and before the report, where both go to one place.
#[test]
fn what_a_guest_printed_comes_before_the_report() {
    const PRINTED: &str = "a line without an end";
    for (arch, guest) in each("fault") {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = pvhost(&guest, &[], &["unfinished"]);
        command.stdout(writer.try_clone().expect("a pipe"));
        let mut running = Running::start(command.stderr(writer));
        // Its ends of the pipe.
        drop(command);
        let mut both = String::new();
        reader.read_to_string(&mut both).expect("a pipe");
        assert_eq!(running.ends().code(), Some(5), "{arch}: {both}");
        let report = both.strip_prefix(PRINTED).expect(&both);
        assert!(
            report.trim_start().starts_with("pvhost: guest fault: "),
            "{arch}: {both}"
        );
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

/// What the guest writes to its memory is data, unless its image or its user says otherwise.
#[test]
fn code_in_free_memory_is_refused_unless_it_is_asked_for() {
    report(
        "written",
        &[
            "bad execution at address 0x",
            "which is rw-",
            "return address",
            "paravirt_main+0x",
            "`--executable-memory`",
        ],
    );
    for (arch, guest) in each("fault") {
        // The same image as a Linux program.
        let status = std::process::Command::new(&guest)
            .arg("written")
            .status()
            .expect("a Linux program");
        assert_eq!(status.signal(), Some(libc::SIGSEGV), "{arch}: {status}");
    }
}

#[test]
fn a_jump_to_nowhere_without_a_stack_is_the_guests() {
    report("lost", &["bad execution at address 0x50,", "there is no stack"]);
}

/// Where guests have nothing, where nobody has, where nobody can, where the host may have something, and what the
/// kernel answers itself.
const WILD: [u64; 7] = [
    0x50,
    0xffff_f000,
    1 << 32,
    0x5555_0000_0000,
    (1 << 47) - 16,
    1 << 63,
    0xffff_ffff_ff60_0001,
];

#[test]
fn a_wild_jump_is_the_guests_wherever_it_leads_and_whatever_the_stack() {
    for (arch, guest) in each("fault") {
        // The first stack is the guest's own.
        let stacks = [&[0], &WILD[..]].concat();
        for (target, stack) in WILD.iter().flat_map(|to| stacks.iter().map(move |stack| (to, stack))) {
            if arch == Arch::I386 && (*target).max(*stack) >= 1 << 32 {
                continue;
            }
            let what = format!("{arch} to {target:#x} with stack {stack:#x}");
            let output = run(&guest, &[], &["wild", &target.to_string(), &stack.to_string()]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(5), "{what}: {}, {stderr}", output.status);
            assert!(stderr.starts_with("pvhost: guest fault: "), "{what}: {stderr}");
        }
    }
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
    // It meets nothing: what lies below the stack is whole.
    report(
        "overflow",
        &[
            "bad write to address",
            "where nothing is mapped",
            "the stack overflowed",
            "__stack_size",
        ],
    );
}

/// x86-64 does not have these instructions.
#[test]
fn what_into_and_bound_find_is_named() {
    let guest = guest(Arch::I386, "fault");
    for (end, found) in [
        ("into", "overflow, raised by `into`"),
        ("bound", "index out of bounds, raised by `bound`"),
    ] {
        let output = run(&guest, &[], &[end]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{end}: {stderr}");
        for part in [found, &format!("instruction: {end}")] {
            assert!(stderr.contains(part), "{end}: no {part:?} in {stderr}");
        }
    }
}

#[test]
fn the_gates_are_the_only_way_to_the_host() {
    for (arch, guest) in each("fault") {
        let output = run(&guest, &[], &["syscall"]);
        let (status, stderr) = (output.status.code(), text(&output.stderr));
        assert_eq!(status, Some(5), "{arch}: {stderr}");
        let (number, instruction) = match arch {
            Arch::X86_64 => ("system call 39 (x86-64)", "instruction: syscall"),
            _ => ("system call 20 (i386)", "instruction: int $0x80"),
        };
        for part in [number, "by guest code", "fault::call_linux+0x", instruction] {
            assert!(stderr.contains(part), "{arch}: no {part:?} in {stderr}");
        }
    }
}

/// Names the guest in the program that the next test starts: this one, once more.
const BROKEN: &str = "PVHOST_TEST_BROKEN";

#[test]
fn a_fault_of_the_host_dies_by_its_signal_and_says_whose_it_is() {
    if let Some(guest) = env::var_os(BROKEN) {
        broken(guest.as_ref());
    }
    for (arch, guest) in each("hello") {
        let mut command = again("faults::a_fault_of_the_host_dies_by_its_signal_and_says_whose_it_is");
        command.env(BROKEN, &guest).stderr(Stdio::piped());
        let output = Running::start(&mut command).output();
        let (status, stderr) = (output.status, text(&output.stderr));
        assert_eq!(status.signal(), Some(libc::SIGSEGV), "{arch}: {stderr}");
        assert!(stderr.contains("internal error: signal 11"), "{arch}: {stderr}");
    }
}

/// Runs a guest with a host function that faults.
fn broken(guest: &Path) -> ! {
    let (console, _) = output();
    let nowhere = ptr::without_provenance::<u8>(16);
    let finished = vm(guest, console)
        .provide(
            "pv_console_write",
            move |_: &mut Call, _: GuestConstPtr<u8>, _: GuestUsize| -> Result<usize, Error> {
                // SAFETY: it faults; that is its purpose.
                Ok(unsafe { nowhere.read_volatile() }.into())
            },
        )
        .build()
        .expect("a guest for this host")
        .run();
    panic!("the guest has ended: {finished:?}");
}
