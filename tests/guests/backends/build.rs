// SPDX-License-Identifier: MIT OR Apache-2.0
//! Has the image entered by its own code, before that of the layer.

fn main() {
    paravirt_linkcmds::link!();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,--entry=enter");
}
