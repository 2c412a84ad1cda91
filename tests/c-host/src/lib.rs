// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs hosts in C: the example, and others that are compiled here from `hosts/` with the example's code for Linux.
//!
//! The example and its library come from `cargo xtask hosts`, guests from `cargo xtask guests`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use paravirt_build::c_host;
pub use test_support::{Arch, c_host, guest};

/// The workspace's folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Compiles `sources` of `hosts/`, with the library, to a program in `folder`.
///
/// # Panics
/// If they do not compile.
#[must_use]
pub fn compile(arch: Arch, sources: &[&str], folder: &Path) -> PathBuf {
    let library = test_support::c_host(arch, "libparavirt_host.a");
    test_support::program(c_host::compiler(arch));
    let program = folder.join(arch.name());
    let mut cc = c_host::compile(&test_support::workspace(), arch);
    cc.args(["-I", "examples/c-host"])
        .args(sources)
        .arg(library)
        .arg("-o")
        .arg(&program)
        .current_dir(workspace());
    let output = cc.output().expect("the compiler that made the example is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// What a host printed, and its exit status.
#[derive(Debug)]
pub struct Ran {
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub messages: String,
    /// Exit status; `None`: a signal.
    pub status: Option<i32>,
}

/// Runs a host without input, for at most two minutes.
///
/// # Panics
/// If it does not start.
pub fn run(host: &Path, arguments: &[&str]) -> Ran {
    let output: Output = Command::new("timeout")
        .arg("120")
        .arg(host)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("coreutils are there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        output: text(&output.stdout),
        messages: text(&output.stderr),
        status: output.status.code(),
    }
}

/// A path as an argument.
///
/// # Panics
/// If it is not UTF-8.
#[must_use]
pub fn argument(path: &Path) -> &str {
    path.to_str().expect("paths here are UTF-8")
}

/// A folder that goes away.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder")
}
