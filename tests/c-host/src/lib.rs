// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs hosts in C: the example, and others that are compiled here from `hosts/` with the example's code for Linux.
//!
//! The example and its library come from `cargo xtask hosts`, guests from `cargo xtask guests`. Where they or a compiler are missing, a
//! test says so and is skipped.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An architecture of host and guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// i386.
    I386,
}

impl Arch {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I386];

    /// The name of its folders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
        }
    }

    const fn compiler(self) -> &'static str {
        match self {
            Self::X86_64 => "cc",
            Self::I386 => "i686-linux-gnu-gcc",
        }
    }

    const fn text_segment(self) -> &'static str {
        match self {
            Self::X86_64 => "-Wl,-Ttext-segment=0x40000000",
            Self::I386 => "-Wl,-Ttext-segment=0xa0000000",
        }
    }
}

/// The workspace's folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A file that a command makes; `None` and a line that says so if it is not there.
fn made(path: PathBuf, task: &str) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} was not built; run `{task}`", path.display());
    None
}

/// A guest.
#[must_use]
pub fn guest(arch: Arch, name: &str) -> Option<PathBuf> {
    let path = workspace().join("target/guests").join(arch.name());
    made(path.join(name), "cargo xtask guests")
}

/// A file of `cargo xtask hosts`.
#[must_use]
pub fn host_file(arch: Arch, name: &str) -> Option<PathBuf> {
    let path = workspace().join("target/hosts").join(arch.name());
    made(path.join(name), "cargo xtask hosts")
}

/// Compiles `sources` of `hosts/`, with the library, to a program in `folder`.
///
/// # Panics
/// If they do not compile.
#[must_use]
pub fn compile(arch: Arch, sources: &[&str], folder: &Path) -> Option<PathBuf> {
    let library = host_file(arch, "libparavirt_host.a")?;
    let program = folder.join(arch.name());
    let mut cc = Command::new(arch.compiler());
    cc.args([
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-static",
    ])
    .arg(arch.text_segment())
    .args(["-I", "ffi/include", "-I", "examples/c-host"])
    .args(sources)
    .arg(library)
    .arg("-o")
    .arg(&program)
    .current_dir(workspace());
    let output = cc
        .output()
        .expect("the compiler that made the example is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
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
