// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that load a host while they run, and have threads, timers and handlers of their own: guests one after
//! another, on the first thread and on others.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use test_support::{Arch, guest, program};

/// Time for a program, which takes some seconds.
const LIMIT: &str = "120";

/// The library of this package, which cargo has built beside this program.
fn library() -> PathBuf {
    let folder = env::current_exe().expect("this program");
    let library = folder.with_file_name("libloaded_host.so");
    assert!(library.is_file(), "no {}", library.display());
    library
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs that program with the library and guests of each architecture.
fn load(program: &[&Path]) {
    for arch in Arch::ALL {
        let output = Command::new("timeout")
            .arg(LIMIT)
            .args(program)
            .arg(library())
            .args(["timers", "fault"].map(|name| guest(arch, name)))
            .stdin(Stdio::null())
            .output()
            .expect("coreutils are there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arch}: {} {said}", output.status);
    }
}

#[test]
fn a_c_program_loads_a_host() {
    program("cc");
    let folder = tempfile::tempdir().expect("a folder");
    let built = folder.path().join("program");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(["-fPIE", "-pie", "-pthread"])
        .arg(source("program.c"))
        .args(["-ldl", "-lrt", "-o"])
        .arg(&built)
        .output()
        .expect("a compiler");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    load(&[&built]);
}

#[test]
fn python_loads_a_host_by_ctypes() {
    program("python3");
    load(&["python3".as_ref(), &source("program.py")]);
}
