// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the guest's C files: for a fixed address and without a C library.

fn main() {
    paravirt_linkcmds::link!();
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=../../../ffi/include");
    cc::Build::new()
        .files(["clock", "console", "cpu", "irq", "main", "timer"].map(|name| format!("src/{name}.c")))
        .include("../../../ffi/include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .pic(false)
        .flag("-ffreestanding")
        .flag("-fno-stack-protector")
        .flag("-ffunction-sections")
        .compile("checks");
}
