// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests on a PC that QEMU emulates.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use paravirt_ring0_tests::{Arch, Pc};

/// Runs `test` on each architecture.
fn on_each(guest: &str, test: impl Fn(&str, Pc)) {
    for arch in Arch::ALL {
        test(arch.name(), Pc::new(arch, guest));
    }
}

#[test]
fn the_loaders_command_line_and_memory_arrive() {
    on_each("ring0-entry", |_, pc| {
        let outcome = pc.command_line("one  two").run();
        outcome.expect("exit 0", "command line: one two\n", false);
        outcome.expect("exit 0", "to 0x3fe0000\n", false);
    });
}

#[test]
fn a_start_info_with_a_wrong_magic_is_refused() {
    on_each("ring0-entry", |_, pc| {
        let folder = tempfile::tempdir().expect("a folder");
        let outcome = pc.entered_at("entry_wrong_magic", folder.path()).run();
        outcome.expect(
            "fault 1",
            "begins with 0x336ec579, not with 0x336ec578: the loader",
            true,
        );
    });
}

#[test]
fn an_address_that_is_none_is_refused() {
    on_each("ring0-entry", |_, pc| {
        let folder = tempfile::tempdir().expect("a folder");
        let outcome = pc.entered_at("entry_no_address", folder.path()).run();
        outcome.expect("fault 1", "paravirt: the loader left 0x0 in ebx", true);
    });
}

#[test]
fn version_0_has_no_memory_map() {
    on_each("ring0-entry", |_, pc| {
        let folder = tempfile::tempdir().expect("a folder");
        let outcome = pc.entered_at("entry_version_0", folder.path()).run();
        outcome.expect(
            "exit 0",
            "paravirt: the loader gave no memory map; using 16 MiB\n",
            false,
        );
        outcome.expect("exit 0", "command line: from version 0\n", false);
        outcome.expect("exit 0", "to 0x1000000\n", false);
    });
}

#[test]
fn an_image_without_a_backend_says_what_it_met() {
    for guest in ["ring0-alone", "no-backend"] {
        on_each(guest, |_, pc| {
            let outcome = pc.run();
            outcome.expect(
                "fault 1",
                "no backend for hypervisor `TCGTCGTCGTCG` in this image",
                true,
            );
            outcome.expect("fault 1", "it has: none;", true);
        });
    }
}

#[test]
fn a_hypervisor_without_a_backend_is_named() {
    on_each("hello", |_, pc| {
        let outcome = pc.processor("qemu64,tcg-cpuid=off").run();
        outcome.expect("fault 1", "no backend for a hypervisor that does not name itself", true);
        outcome.expect("fault 1", "bare", true);
    });
}

#[test]
fn a_processor_that_is_not_virtual_is_a_pc() {
    on_each("hello", |_, pc| {
        let outcome = pc.processor("qemu64,-hypervisor").run();
        outcome.expect("exit 0", "Hello from a paravirtualized guest\n", false);
    });
}

#[test]
fn a_fault_before_the_first_output_is_reported() {
    on_each("ring0-entry", |architecture, pc| {
        let mut cases = vec![
            (
                "undefined",
                6,
                "fault: invalid instruction (vector 6, error code 0x0) at 0x10",
            ),
            ("divide", 0, "fault: division error (vector 0, error code 0x0) at 0x10"),
            (
                "vector",
                13,
                "fault: general protection fault (vector 13, error code 0x",
            ),
        ];
        // i386 runs without page tables.
        if architecture == "x86_64" {
            cases.extend([
                (
                    "null",
                    14,
                    "paravirt: address 0x10, read or executed, where no memory is mapped\nparavirt: hint: a \
                null pointer",
                ),
                ("overflow", 14, "paravirt: hint: a stack overflow"),
                ("beyond", 14, "paravirt: hint: memory is mapped up to 4 GiB"),
            ]);
        }
        let mut pc = pc;
        for (argument, vector, text) in cases {
            pc = pc.command_line(argument);
            pc.run().expect(&format!("fault {vector}"), text, false);
        }
    });
}

/// A processor with AVX has it turned on, and the guest's handlers use it.
#[test]
fn registers_survive_interrupts() {
    on_each("numeric", |_, pc| {
        let mut pc = pc.command_line("1000 300 0");
        for (processor, has_avx) in [("qemu64", false), ("max", true)] {
            pc = pc.processor(processor);
            let text = format!("0 of them with wrong registers; AVX: {has_avx}\n");
            pc.run().expect("exit 0", &text, false);
        }
    });
}

#[test]
fn a_processor_without_long_mode_is_named() {
    for processor in ["qemu32", "486"] {
        let pc = Pc::new(Arch::X86_64, "ring0-entry");
        let outcome = pc.processor(processor).run();
        outcome.expect("fault 1", "paravirt: this processor has no long mode", true);
    }
}

#[test]
fn without_a_serial_port_output_is_lost_and_input_has_ended() {
    on_each("echo", |_, pc| {
        assert_eq!(pc.without_serial_port().run().record(), "exit 0");
    });
}

#[test]
fn a_machine_that_no_port_ends_halts_and_says_so() {
    for arch in Arch::ALL {
        let mut qemu = Command::new(test_support::qemu())
            .args(["-M", "pc", "-m", "64", "-cpu", "qemu64", "-nodefaults"])
            .args(["-display", "none", "-no-reboot", "-serial", "stdio"])
            .arg("-kernel")
            .arg(test_support::ring0_guest(arch, "hello"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("QEMU starts");
        let serial = BufReader::new(qemu.stdout.take().expect("a pipe"));
        let (say, said) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in serial.lines().map_while(Result::ok) {
                // Nobody listens any more once the test has failed.
                let _ = say.send(line);
            }
        });
        let lines = [(); 2].map(|()| said.recv_timeout(Duration::from_secs(60)));
        qemu.kill().expect("it still runs");
        qemu.wait().expect("a child");
        reader.join().expect("it only reads");
        let expected = [
            "Hello from a paravirtualized guest",
            "paravirt: shutdown exit 0; the processor halts",
        ];
        assert_eq!(lines, expected.map(|line| Ok(line.to_owned())), "{arch:?}");
    }
}

#[test]
fn a_red_zone_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("red-zone");
    let output = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["rustc", "--quiet", "--profile=guest", "--package=hello", "--bin=hello"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .env("RUSTFLAGS", "-Crelocation-model=static")
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let guest = target.join("x86_64-unknown-linux-gnu/guest/hello");
    let outcome = Pc::of_file(&guest).run();
    outcome.expect("fault 1", "paravirt: this image's code uses the red zone", true);
    outcome.expect("fault 1", "`-C no-redzone", true);
}

#[test]
fn runs_that_count_instructions_are_alike() {
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ticker/expected.txt");
    let expected = fs::read_to_string(expected).expect("the example's output");
    on_each("ticker", |_, pc| {
        let pc = pc.command_line("50").counting_instructions();
        let first = pc.run();
        assert_eq!(first.serial, expected);
        assert_eq!(first.record(), "exit 0");
        let second = pc.run();
        assert_eq!((first.serial, first.debug), (second.serial, second.debug));
    });
}

#[test]
fn every_expiration_is_counted() {
    on_each("rate", |_, pc| {
        let mut pc = pc;
        for how in ["1000 1 idle", "1000 1 busy"] {
            pc = pc.command_line(how);
            let outcome = pc.run();
            assert_eq!(outcome.record(), "exit 0", "{}", outcome.serial);
        }
    });
}

#[test]
fn an_interrupt_at_any_instruction_is_delivered_once() {
    on_each("ring0-walk", |architecture, pc| {
        let outcome = pc.command_line("14000").counting_instructions().run();
        println!("{architecture}:\n{}", outcome.serial);
        assert_eq!(outcome.record(), "exit 0", "{}", outcome.serial);
    });
}
