// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the process host on AArch64 have in common: programs for it, and what they print.

use std::path::PathBuf;
use std::time::Duration;

use paravirt_build::aarch64;
use test_support::Tool;

pub use test_support::{Arch, guest, has_in_order};

/// The program of that package, for AArch64 Linux.
///
/// # Panics
/// If there is no compiler for it, or it does not build.
#[must_use]
#[track_caller]
pub fn program(package: &str) -> PathBuf {
    test_support::tool(Tool::CrossAarch64);
    test_support::tool(Tool::RustAarch64);
    aarch64::build(&test_support::workspace(), package).unwrap_or_else(|error| panic!("{package}: {error:#}"))
}

/// Runs these commands with these programs on a Linux kernel in QEMU, as [`aarch64::linux::run`].
///
/// # Panics
/// If it cannot, or there is no kernel.
#[must_use]
#[track_caller]
pub fn run_on_linux(
    programs: &[(&str, PathBuf)],
    commands: &[String],
    options: &[&str],
    limit: Duration,
) -> Vec<(i32, String)> {
    for tool in [Tool::LinuxAarch64, Tool::QemuArm, Tool::CrossAarch64] {
        test_support::tool(tool);
    }
    aarch64::linux::run(&test_support::workspace(), programs, commands, options, limit)
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// Sees that all of these are in a text.
///
/// # Panics
/// If one is not.
#[track_caller]
pub fn expect(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// What the guest `el1` can do that it may not, and what the host says of it.
pub const FAULTS: [(&str, &[&str]); 8] = [
    (
        "null",
        &[
            "guest fault: bad write to address 0x8, where nothing is mapped",
            "hint: a null pointer?",
            "x20 0x123456789abcdef0",
            "x30 0x00000000402",
            "sp 0x00000000402",
            "pc 0x00000000402",
        ],
    ),
    ("far", &["bad read from address 0x2000000000, where nothing is mapped"]),
    ("undefined", &["illegal instruction", "instruction: .inst 0x00000000"]),
    (
        "register",
        &[
            "illegal instruction",
            "instruction: .inst 0xd51e101f",
            "hint: the instruction is privileged",
        ],
    ),
    (
        "jump",
        &[
            "bad execution at address 0x10, where nothing is mapped",
            "return address 0x402",
            "pc 0x0000000000000010",
        ],
    ),
    ("exclusive", &["an access that is not aligned"]),
    ("overflow", &["bad write to", "hint: the stack overflowed"]),
    (
        "stack",
        &["no memory for an interrupt frame below the stack pointer 0x10"],
    ),
];

/// Source of the guest `el1`.
const EL1: &str = "tests/guests/el1/src/main.rs:";

/// What the guest `el1` can do, the exit status, and what the host says of it and its callers, in that order.
pub const CALLERS: [(&str, i32, &[&str]); 4] = [
    (
        "null",
        5,
        &[
            "guest fault: bad write",
            "\n  at 0x",
            " paravirt_main+0x",
            EL1,
            "(fault, inlined)",
            "hint: a null pointer?",
            "\n  called from 0x",
            " paravirt_bsp::start::run+0x",
            "\n  called from 0x",
            " _start+0x",
            "\n   x0 0x",
        ],
    ),
    (
        "handler",
        5,
        &[
            "guest fault: bad write",
            " paravirt_bsp::timer::call+0x",
            "({closure#0}, inlined)",
            "\n  called from 0x",
            " paravirt_bsp::irq::dispatch+0x",
            "\n  called from 0x",
            " __paravirt_upcall+0x",
            "\n  interrupted at 0x",
            " el1::wait+0x",
            EL1,
            "\n  called from 0x",
            " paravirt_main+0x",
            " _start+0x",
            "\n   x0 0x",
        ],
    ),
    (
        "overflow",
        5,
        &[
            "bad write",
            " el1::overflow+0x",
            "times in a row from 0x",
            " el1::overflow+0x",
            "\n  called from 0x",
            " paravirt_bsp::start::run+0x",
            " _start+0x",
        ],
    ),
    (
        "panic",
        3,
        &[
            "as asked",
            "guest gave up, with code 101",
            "\n  at 0x",
            " pv_shutdown+0x0",
            "\n  called from 0x",
            " paravirt_bsp::power::",
            " core::panicking::panic_fmt+0x",
            "\n  called from 0x",
            " paravirt_main+0x",
            EL1,
            " _start+0x",
        ],
    ),
];
