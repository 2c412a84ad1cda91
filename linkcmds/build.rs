// SPDX-License-Identifier: MIT OR Apache-2.0
//! Has linkers find the scripts by their names, in whatever depends on this package.

fn main() {
    println!("cargo::rustc-link-search=native={}", env!("CARGO_MANIFEST_DIR"));
}
