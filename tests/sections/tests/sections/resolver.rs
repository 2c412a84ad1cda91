// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lazy binding, run for real: the first call goes through the resolver, later ones do not, arguments arrive intact.

use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::tools::{self, succeed};
use paravirt_section_tests::{fixture, require, scratch, workspace};

const EXPECTED: &str = "\
functions 2
resolve board_mix entry 0 slot 0
mix 1 2.5 123456789abcdef0 text 3.5 -4 5 -6 7 8.5
mix 9 1.5 1 again 0.5 1 2 3 4 5.5
results 17 11
resolve board_plain entry 1 slot 1
plain 2 3
";

fn run(arch: Arch, level: &str) {
    let compiler = Compiler::Gcc(arch);
    require!(compiler.program());
    let folder = scratch();
    let program = folder.path().join("lazy");
    let script = folder.path().join("insert.ld");
    std::fs::write(&script, "SECTIONS { INCLUDE externals.ld } INSERT BEFORE .data;\n")
        .expect("a file in the scratch folder");
    let mut command = compiler.command(Language::C);
    // The C library's headers want a hosted compiler.
    command
        .args([level, "-fhosted", "-static", "-no-pie", "-Wl,--gc-sections"])
        .arg("-L")
        .arg(workspace().join("linkcmds"))
        .arg(format!("-Wl,-T,{}", script.display()))
        .arg(fixture("lazy.c"))
        .arg("-o")
        .arg(&program);
    succeed(tools::run(&mut command));
    let output = Command::new(&program).output().expect("this kernel runs such programs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), EXPECTED);
}

#[test]
fn x86_64() {
    run(Arch::X86_64, "-O0");
    run(Arch::X86_64, "-O2");
}

#[test]
fn i386() {
    run(Arch::I386, "-O0");
    run(Arch::I386, "-O2");
}
