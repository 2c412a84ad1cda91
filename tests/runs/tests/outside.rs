// SPDX-License-Identifier: MIT OR Apache-2.0
//! A backend as a crate of its own, outside this repository: the template, copied as `bsp/src/backend/README.md` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use paravirt_build::arch::Arch;
use paravirt_build::example::Example;
use paravirt_build::hosts;
use paravirt_build::packages::{Package, Run};
use paravirt_build::toolchain::Toolchain;
use tempfile::TempDir;

/// The project: the backend, and the conformance guest with it.
fn project() -> TempDir {
    let workspace = test_support::workspace();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let write = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the project");
        fs::write(path, content).expect("a file of the project");
    };
    let bsp = workspace.root().join("bsp");
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"guest\"]\nresolver = \"3\"\n\
         [profile.release]\npanic = \"abort\"\nopt-level = \"s\"\n"
            .to_owned(),
    );
    let lock = fs::read_to_string(workspace.root().join("Cargo.lock")).expect("a lock file");
    write("Cargo.lock", lock);
    write(
        "guest/Cargo.toml",
        format!(
            "[package]\nname = \"guest\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [dependencies]\nacme = {{ path = \"../acme\" }}\n\
             conformance = {{ path = {:?} }}\n\
             paravirt-bsp = {{ path = {bsp:?}, features = [\"panic-handler\", \"memory-functions\", \"linux-syscall\"] }}\n",
            workspace.root().join("examples/conformance"),
        ),
    );
    write(
        "guest/src/main.rs",
        "#![no_std]\n#![no_main]\n\
         paravirt_bsp::image! { main: conformance::main, backends: [linux_syscall, acme::BACKEND] }\n"
            .to_owned(),
    );
    run_commands(&commands(), folder.path());
    folder
}

/// The commands by which the document copies the template.
fn commands() -> String {
    let document = test_support::workspace().root().join("bsp/src/backend/README.md");
    let document = fs::read_to_string(document).expect("the document");
    let (_, rest) = document.split_once("\n```sh\n").expect("a block of commands");
    let (commands, _) = rest.split_once("\n```\n").expect("the block's end");
    commands.to_owned()
}

fn run_commands(commands: &str, folder: &Path) {
    let output = Command::new("sh")
        .args(["-ec", commands])
        .current_dir(folder)
        .env("PARAVIRT", test_support::workspace().root())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "{commands}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Builds the project's guest, as `linkcmds/README.md` says.
fn build(project: &Path, arch: Arch) -> PathBuf {
    let workspace = test_support::workspace();
    let toolchain = Toolchain::find(&workspace, arch).expect("a compiler for guests");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let scripts = workspace.linkcmds();
    let mut flags = vec!["-Crelocation-model=static".to_owned(), "-Dwarnings".to_owned()];
    flags.extend(toolchain.flags());
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(project)
        .args(["rustc", "--quiet", "--release", "--package", "guest"])
        .args(["--target", toolchain.target()])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", &target)
        .arg("--");
    for argument in [
        "-nostartfiles".to_owned(),
        "-static".to_owned(),
        "-no-pie".to_owned(),
        "-Wl,--gc-sections".to_owned(),
        format!("-L{}", scripts.display()),
        format!("-Wl,-T,{}", scripts.join(format!("{}.ld", arch.name())).display()),
    ] {
        cargo.arg(format!("-Clink-arg={argument}"));
    }
    let output = cargo.stdin(Stdio::null()).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join(toolchain.target()).join("release/guest")
}

/// What `pvhost` says of an image.
fn listing(guest: &Path) -> String {
    let workspace = test_support::workspace();
    let program = hosts::build(&workspace, hosts::PVHOST).expect("pvhost builds");
    let output = Command::new(program)
        .arg("list")
        .arg(guest)
        .output()
        .expect("pvhost starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_template_works_as_a_crate_of_its_own() {
    let _ = test_support::qemu();
    let workspace = test_support::workspace();
    // Two runs build into the same files.
    let _guard = test_support::take_kept_folder(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside"));
    let project = project();
    let packages = Package::all(&workspace).expect("manifests that cargo reads");
    for arch in Arch::ALL {
        // It also says whether guests can be built for ring 0 here.
        let _ = test_support::ring0_guest(arch, "guest-template");
        let guest = build(project.path(), arch);
        let listing = listing(&guest);
        assert!(listing.contains("\nbackends: acme, linux_syscall\n"), "{listing}");
        let provided = listing.lines().filter(|line| line.ends_with("  acme, linux_syscall"));
        assert_eq!(provided.count(), 12, "{listing}");
        // It does what the module of this crate does.
        let example = packages
            .iter()
            .flat_map(|package| Example::all(package, arch))
            .find(|example| example.guest() == "guest-template")
            .expect("a run of the template");
        let run = Run {
            host: "qemu".to_owned(),
            ..example.run.clone()
        };
        let command = hosts::command(&workspace, arch, &run, guest).expect("a host");
        example
            .run_command(&command)
            .unwrap_or_else(|error| panic!("{arch}: {error:#}"));
    }
}
