// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the C side of the guests and writes the declarations of the 500 external functions of `bench-bind`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// Number of external functions in `bench-bind`, besides those of the interface.
const EXTERNALS: u32 = 500;

fn main() {
    paravirt_linkcmds::link!();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/bench.c");
    cc::Build::new()
        .file("src/bench.c")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .opt_level(2)
        .pic(false)
        .flag("-ffreestanding")
        .flag("-fno-stack-protector")
        .flag("-ffunction-sections")
        .compile("bench");

    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("externals.rs"), externals()).expect("a writable folder");
}

/// Declarations, a table that keeps them all alive, and bodies inside the guest.
fn externals() -> String {
    let names: Vec<String> = (0..EXTERNALS).map(|number| format!("host_{number:03}_call")).collect();
    let mut text = String::from("paravirt_bsp::l4_external_func! {\n");
    for name in &names {
        writeln!(text, "    fn {name}(value: u32) -> u32;").expect("a string");
    }
    text += "}\n\n/// Every one of them, by its thunk.\n";
    writeln!(
        text,
        "static CALLS: [unsafe extern \"C\" fn(u32) -> u32; {EXTERNALS}] = [{}];",
        names.join(", ")
    )
    .expect("a string");
    let bodies: Vec<String> = names.iter().map(|name| format!("    {name} = bench_body,\n")).collect();
    writeln!(
        text,
        "\n/// A body inside the guest for each.\n\
         static BODIES: paravirt_bsp::external::Functions<{EXTERNALS}> = paravirt_bsp::in_guest_functions! {{\n{}}};",
        bodies.concat()
    )
    .expect("a string");
    text
}
