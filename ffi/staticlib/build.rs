// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles what cannot be written in Rust: a function with any number of arguments, and calls of `main`.

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=../include");
    let mut c = cc::Build::new();
    c.files(["cxx", "main", "main_cxx", "printf"].map(|name| format!("src/{name}.c")))
        .include("../include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .pic(false)
        .flag("-ffreestanding")
        .flag("-fno-stack-protector")
        .flag("-U_FORTIFY_SOURCE")
        .flag("-ffunction-sections");
    // An image that is entered in ring 0 has no red zone.
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        c.flag("-mno-red-zone");
    }
    c.compile("paravirt_guest_c");
}
