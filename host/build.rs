// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets `cfg(process_host)` where this crate runs guests: on Linux for x86-64 and AArch64. Elsewhere it looks at them
//! only.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(process_host)");
    let target = |what| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && ["x86_64", "aarch64"].contains(&&*target("ARCH")) {
        println!("cargo::rustc-cfg=process_host");
    }
}
