// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs in C, C++ and Python on the library: what it does, what it refuses, and in which words.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use test_support::{Arch, guest, program, workspace};

/// Time for a program, which takes some seconds.
const LIMIT: &str = "120";

/// The library of this package, which cargo has built beside this program.
fn library() -> PathBuf {
    let library = env::current_exe()
        .expect("this program")
        .with_file_name("libparavirt_vm.so");
    assert!(library.is_file(), "no {}", library.display());
    library
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Runs a command that must succeed; its standard output.
fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program that starts");
    let [printed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        output.status.success(),
        "{command:?}: {}\n{printed}{said}",
        output.status
    );
    printed
}

fn limited(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(program);
    command
}

#[test]
fn programs_in_c_and_cxx_run_guests() {
    let library = library();
    let folder = tempfile::tempdir().expect("a folder");
    for (compiler, standard) in [("gcc", "c11"), ("clang", "c11"), ("g++", "c++17"), ("clang++", "c++17")] {
        program(compiler);
        let built = folder.path().join(compiler);
        let language = if standard.starts_with('c') && !standard.contains('+') {
            "c"
        } else {
            "c++"
        };
        succeed(
            Command::new(compiler)
                .arg(format!("-std={standard}"))
                .args(["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
                .arg(workspace().root().join("ffi/include"))
                .args(["-x", language])
                .arg(source("program.c"))
                .args(["-x", "none"])
                .arg(&library)
                .arg(format!("-Wl,-rpath,{}", library.parent().expect("a folder").display()))
                .args(["-lm", "-o"])
                .arg(&built),
        );
        for arch in Arch::ALL {
            let guests = ["controller", "calls", "fault"].map(|name| guest(arch, name));
            assert_eq!(succeed(limited(&built).args(guests)), "ok\n", "{arch} {compiler}");
        }
    }
}

fn python(script: &Path) -> Command {
    program("python3");
    let mut command = limited("python3");
    command
        .arg(script)
        .env("PARAVIRT_VM_LIBRARY", library())
        .env("PYTHONPATH", workspace().root().join("host/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn the_module_for_python_is_the_same() {
    for arch in Arch::ALL {
        let guests = ["controller", "calls", "fault", "hello"].map(|name| guest(arch, name));
        assert_eq!(succeed(python(&source("module.py")).args(guests)), "ok\n", "{arch}");
    }
}

#[test]
fn a_plant_in_python_prints_what_one_in_rust_does() {
    let root = workspace().root().to_owned();
    let expected = fs::read_to_string(root.join("examples/controller/expected.txt")).expect("a file of the project");
    let script = root.join("examples/co-simulation/co_simulation.py");
    for arch in Arch::ALL {
        let printed = succeed(python(&script).arg(guest(arch, "controller")));
        assert_eq!(printed, expected, "{arch}");
        let output = python(&script).arg(guest(arch, "hello")).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "co_simulation: inlet ended with status 0 in millisecond 1\n");
        assert_eq!(output.status.code(), Some(1));
    }
}
