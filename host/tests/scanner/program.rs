// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `pvhost`: its texts, its files, its exit statuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use paravirt_abi::{note, sections};
use pvhost::image::Machine;
use tempfile::TempDir;

use crate::guest::{self, Guest};

/// A folder of its own for each test, with guests by name.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        folder.write("guest", Guest::new(Machine::X86_64).build());
        folder.write("guest32", Guest::new(Machine::I386).build());
        folder.write("arm64", Guest::new(Machine::Aarch64).build());
        folder.write("old", Guest::l4rtems().build());
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).expect("a file");
    }

    pub fn run(&self, arguments: &str) -> Output {
        self.pvhost(arguments.split_whitespace()).output().expect("pvhost")
    }

    /// The program with these arguments, and without settings of whoever runs the tests.
    pub fn pvhost<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
        command.current_dir(self.path()).args(arguments);
        command.env_remove("COLUMNS");
        command
    }

    /// Everything a user sees.
    pub fn transcript(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        format!(
            "$ pvhost {arguments}\n{}{}[{}]\n",
            text(&output.stdout),
            text(&output.stderr),
            output.status.code().expect("a status")
        )
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn list() {
    let folder = Folder::new();
    let mismatch = [("pv_irq_mask", Some(0x1000_0000_0000_00a7)), ("my_own", None)];
    folder.write(
        "other",
        Guest::with(Machine::Aarch64, sections::PREFIX, &[("pv_irq_mask", None)]).build(),
    );
    let entries = [mismatch[0], ("my_own", Some(0x1000_0000_0000_0001))];
    folder.write("odd", Guest::with(Machine::X86_64, sections::PREFIX, &entries).build());
    folder.write("none", Guest::with(Machine::X86_64, sections::PREFIX, &[]).build());
    let mut loader = Guest::with(Machine::I386, sections::PREFIX, &[]);
    let asks = guest::note(note::OWNER, note::EXECUTABLE_MEMORY_TYPE, &[]);
    loader.notes.extend(asks);
    folder.write("loader", loader.build());
    let text: Vec<_> = ["guest", "guest32", "arm64", "old", "other", "odd", "none", "loader"]
        .map(|name| folder.transcript(&format!("list {name}")))
        .into();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn list_as_json() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.transcript("list guest --json"));
    insta::assert_snapshot!(folder.transcript("list old --json"));
}

#[test]
fn header_in_every_format() {
    let folder = Folder::new();
    for format in ["func-list", "c", "rust", "json"] {
        for guest in ["guest32", "arm64", "old"] {
            let text = folder.transcript(&format!("header {guest} --format {format}"));
            insta::assert_snapshot!(format!("header_{format}_{guest}"), text);
        }
    }
}

#[test]
fn a_header_goes_to_a_file() {
    let folder = Folder::new();
    let to_stdout = folder.run("header guest --format c");
    let to_file = folder.run("header guest --format c -o guest.h");
    assert!(to_file.status.success() && to_file.stdout.is_empty());
    let file = fs::read(folder.path().join("guest.h")).expect("the header");
    assert_eq!(text(&file), text(&to_stdout.stdout));
}

/// The generated files are there to be compiled.
#[test]
fn headers_compile() {
    let folder = Folder::new();
    for guest in ["guest", "guest32", "arm64", "old"] {
        for (format, file) in [("c", "host.h"), ("rust", "host.rs")] {
            let output = folder.run(&format!("header {guest} --format {format} -o {file}"));
            assert!(output.status.success());
        }
        folder.write(
            "host.c",
            "#include \"host.h\"\n#define EF(name, word) + (word >> 60 <= 1)\n\
             _Static_assert(0 PARAVIRT_HOST_FUNCTIONS(EF) == PARAVIRT_HOST_FUNCTION_COUNT, \"words\");\n",
        );
        folder.write("host.cpp", "#include \"host.h\"\n");
        let checks: [&[&str]; 3] = [
            &["cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "host.c"],
            &["g++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", "host.cpp"],
            &[
                "rustc",
                "--edition=2024",
                "--crate-type=lib",
                "--emit=metadata",
                "-Dwarnings",
                "host.rs",
            ],
        ];
        for check in checks {
            test_support::program(check[0]);
            let output = Command::new(check[0])
                .args(&check[1..])
                .current_dir(folder.path())
                .output()
                .expect("it starts");
            assert!(output.status.success(), "{guest}: {check:?}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn check_against_a_known_host() {
    let folder = Folder::new();
    let misspelt = [("pv_console_wirte", None), ("l4rtems_inch", None)];
    folder.write(
        "misspelt",
        Guest::with(Machine::X86_64, sections::PREFIX, &misspelt).build(),
    );
    let mismatch = [("pv_irq_mask", Some(0x1000_0000_0000_00a7))];
    folder.write(
        "mismatch",
        Guest::with(Machine::X86_64, sections::PREFIX, &mismatch).build(),
    );
    let fits = [("pv_irq_mask", Some(0x1000_0000_0000_0087))];
    folder.write("fits", Guest::with(Machine::X86_64, sections::PREFIX, &fits).build());
    let mut refused = Guest::with(Machine::X86_64, sections::PREFIX, &fits);
    refused.notes.clear();
    folder.write("refused", refused.build());
    let text: Vec<_> = ["guest", "fits", "misspelt", "mismatch", "old", "refused"]
        .map(|name| folder.transcript(&format!("check {name} --host process")))
        .into_iter()
        .chain(
            [
                "check old --host process-l4rtems",
                "check guest --host xen",
                "check fits --host process --verbose",
                "check arm64 --host process",
                "check arm64 --host qemu",
            ]
            .map(|arguments| folder.transcript(arguments)),
        )
        .collect();
    insta::assert_snapshot!(text.join("\n"));
    insta::assert_snapshot!(folder.transcript("check mismatch --host process --json"));
}

#[test]
fn check_against_a_file() {
    let folder = Folder::new();
    folder.write(
        "functions.txt",
        "# mine\npv_console_write fn(*const c_void, usize) -> isize\npv_port_in\npv_shut_down\n",
    );
    insta::assert_snapshot!(folder.transcript("check guest --provides functions.txt"));
}

#[test]
fn a_header_provides_what_its_guest_asks_for() {
    let folder = Folder::new();
    for format in ["json", "func-list"] {
        for guest in ["guest", "guest32", "arm64", "old"] {
            let header = folder.run(&format!("header {guest} --format {format} -o list"));
            assert!(header.status.success());
            let check = folder.run(&format!("check {guest} --provides list"));
            assert!(check.status.success(), "{}", text(&check.stdout));
        }
    }
    folder.run("header guest --format json -o list");
    let other_width = folder.run("check guest32 --provides list");
    assert_eq!(other_width.status.code(), Some(1));
    assert!(text(&other_width.stdout).contains("mismatch: pv_console_write"));
}

#[test]
fn errors_name_the_culprit_and_the_fix() {
    let folder = Folder::new();
    folder.write("bad", "no ELF");
    folder.write("bad.txt", "fine\nnot-fine\n");
    let text: Vec<_> = [
        "list bad",
        "list absent",
        "header bad",
        "header guest -o absent/header.h",
        "check bad --host process",
        "check guest --provides absent.txt",
        "check guest --provides bad.txt",
        "check guest",
        "check guest --host nowhere",
        "check guest --host process --provides bad.txt",
        "header guest --format cobol",
        "frobnicate",
    ]
    .map(|arguments| folder.transcript(arguments))
    .into();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn help() {
    let folder = Folder::new();
    let text: Vec<_> = [
        "--help",
        "list --help",
        "header --help",
        "check --help",
        "audit --help",
        "bind --help",
        "run --help",
        "test --help",
        "new --help",
        "completions --help",
        "man --help",
    ]
    .map(|arguments| folder.transcript(arguments))
    .into();
    insta::assert_snapshot!(text.join("\n"));
    assert_eq!(folder.run("").status.code(), Some(2));
}
