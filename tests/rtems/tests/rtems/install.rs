// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask install`: a C program is built with what it leaves, far from this checkout, and runs.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use paravirt_rtems_tests::{own, run};
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::tools::{self, succeed};
use paravirt_section_tests::{require, scratch, workspace};
use pvhost::process::Exit;

const GCC: &str = Arch::I386.gcc();

/// Installs to `prefix` and returns the lines that say where.
fn install(prefix: &Path) -> Vec<String> {
    let cargo = env::var_os("CARGO").expect("cargo runs tests");
    let said = succeed(tools::run(
        Command::new(cargo)
            .current_dir(workspace())
            .args(["xtask", "install", "--prefix"])
            .arg(prefix),
    ));
    said.lines().map(str::to_owned).collect()
}

/// The words of a field of `paravirt.pc`, as pkg-config works them out.
fn words(description: &Path, field: &str) -> Vec<String> {
    let text = fs::read_to_string(description).expect("the description");
    let folder = description.parent().expect("a folder");
    let mut variables = HashMap::from([("pcfiledir".to_owned(), folder.display().to_string())]);
    let expand = |text: &str, variables: &HashMap<String, String>| {
        variables.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        })
    };
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=') {
            let value = expand(value, &variables);
            variables.insert(name.to_owned(), value);
        } else if let Some((name, value)) = line.split_once(": ")
            && name == field
        {
            let value = expand(value, &variables);
            return value.split_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("no {field} in {text}");
}

#[test]
fn a_c_program_is_built_with_what_is_installed() {
    require!(GCC);
    // It is built again otherwise, which takes its time.
    let _ = test_support::rtems_library();
    let folder = scratch();
    let first = folder.path().join("first");
    let said = install(&first);
    for name in ["librtemsparavirt.a", "irq.h", "i386.ld", "paravirt.pc"] {
        let path = said.iter().find(|line| line.ends_with(&format!("/{name}")));
        let path = path.unwrap_or_else(|| panic!("no {name} in {said:?}"));
        assert!(Path::new(path).is_file(), "{path}");
    }

    // The folder can be moved.
    let prefix = folder.path().join("moved");
    fs::rename(&first, &prefix).expect("a folder can be renamed");
    let description = prefix.join("lib/pkgconfig/paravirt.pc");
    assert_eq!(words(&description, "Version"), [env!("CARGO_PKG_VERSION")]);
    build_and_run(
        folder.path(),
        &words(&description, "Cflags"),
        &words(&description, "Libs"),
    );
    test_support::program("pkg-config");
    let pkg_config = |option: &str| {
        let output = Command::new("pkg-config")
            .args([option, "paravirt"])
            .env("PKG_CONFIG_PATH", description.parent().expect("a folder"))
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let words = String::from_utf8(output.stdout).expect("the words are ours");
        let words = words.split_whitespace().map(str::to_owned);
        words.collect::<Vec<_>>()
    };
    build_and_run(folder.path(), &pkg_config("--cflags"), &pkg_config("--libs"));
}

fn build_and_run(folder: &Path, flags: &[String], libraries: &[String]) {
    let program = folder.join("program");
    succeed(tools::run(
        Command::new(GCC)
            .current_dir(folder)
            .args(["-O2", "-Wall", "-Wextra", "-Werror"])
            .args(["-ffreestanding", "-fno-pic", "-fno-stack-protector"])
            .args(flags)
            .args([own("fixtures/installed.c"), own("fixtures/memory.c")])
            .args(["-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections", "-T", "i386.ld"])
            .args(libraries)
            .arg("-o")
            .arg(&program),
    ));
    let input = File::open("/dev/null").expect("it exists");
    let (finished, printed) = run::guest(&program, input, "and runs", Duration::from_secs(20));
    assert!(matches!(finished.exit, Exit::Exit(3)), "{finished:?}");
    assert_eq!(printed, "installed: and runs\n");
}
