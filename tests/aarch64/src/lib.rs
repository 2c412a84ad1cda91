// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the process host on AArch64 have in common: programs for it, and what they print.

use std::path::PathBuf;

use paravirt_build::aarch64;
use test_support::Tool;

pub use test_support::{Arch, guest};

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
