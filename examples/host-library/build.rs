// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the host library and links it whole: a linker does not look into an archive for a stronger definition of a
//! function that it has already.

fn main() {
    paravirt_linkcmds::link!();
    println!("cargo::rerun-if-changed=library/host.c");
    println!("cargo::rerun-if-changed=../../ffi/include");
    let mut build = cc::Build::new();
    // No compiler is the usual one for a target without a system.
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "aarch64") {
        build.compiler("aarch64-linux-gnu-gcc");
    }
    build
        .file("library/host.c")
        .include("../../ffi/include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .pic(false)
        .flag("-ffreestanding")
        .flag("-fno-stack-protector")
        .cargo_metadata(false)
        .compile("host");
    let folder = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=static:+whole-archive=host");
}
