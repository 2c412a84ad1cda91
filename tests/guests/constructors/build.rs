// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the guest's C file: for a fixed address and without a C library.

fn main() {
    paravirt_linkcmds::link!();
    println!("cargo::rerun-if-changed=src/part.c");
    println!("cargo::rerun-if-changed=../../../ffi/include");
    cc::Build::new()
        .file("src/part.c")
        .include("../../../ffi/include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .pic(false)
        .flag("-ffreestanding")
        .flag("-fno-stack-protector")
        .flag("-ffunction-sections")
        .compile("part");
}
