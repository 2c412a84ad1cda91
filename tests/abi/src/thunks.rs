// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of the thunks on every architecture, by the assembly that the macro emits. The headers emit the same,
//! as another test sees to.

use std::collections::BTreeSet;

use paravirt_section_tests::arch::Arch;

macro_rules! text {
    ($macro:ident) => {
        format!(paravirt_section_tests::$macro!(sample), w0 = 0, w1 = 0, w2 = 0, w3 = 0)
    };
}

/// The registers that the thunks name, without stack pointer and program counter.
#[must_use]
pub fn registers(arch: Arch) -> BTreeSet<&'static str> {
    let (text, names): (String, &[&str]) = match arch {
        Arch::I386 => (text!(__l4_external_i386), &I386),
        Arch::X86_64 => (text!(__l4_external_x86_64), &X86_64),
        Arch::Aarch64 => (text!(__l4_external_aarch64), &AARCH64),
        Arch::Armv7 => (text!(__l4_external_armv7), &ARMV7),
        Arch::Riscv64 => (text!(__l4_external_riscv64), &RISCV64),
    };
    let words: BTreeSet<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
        .collect();
    let named = names.iter().copied();
    named.filter(|name| words.contains(name)).collect()
}

const I386: [&str; 7] = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"];
const X86_64: [&str; 15] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];
const AARCH64: [&str; 31] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
    "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
];
const ARMV7: [&str; 14] = [
    "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "ip", "lr",
];
const RISCV64: [&str; 30] = [
    "ra", "gp", "tp", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8",
    "s9", "s10", "s11", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
];
