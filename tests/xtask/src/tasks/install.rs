// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask install`: what guests in C and C++, hosts in C, and programs that run guests in themselves are built
//! with, without this checkout, and `pvhost`.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use paravirt_build::arch::Arch;
use paravirt_build::c_host;
use paravirt_build::command;
use paravirt_build::files::write_if_changed;
use paravirt_build::hosts;
use paravirt_build::static_library;
use paravirt_build::vm_library;
use paravirt_build::workspace::Workspace;

/// Its options.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
No installed file names the folder, so it can be moved. With DESTDIR in the environment, all goes below that folder.

Examples:
  cargo xtask install --prefix ~/.local
  cc $(pkg-config --cflags paravirt-guest) guest.c $(pkg-config --libs paravirt-guest) -o guest
  cmake -B build -DCMAKE_PREFIX_PATH=~/.local")]
pub struct Arguments {
    /// The folder that gets bin, include, lib and share
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    prefix: PathBuf,
}

/// Builds and installs, and names each file.
///
/// # Errors
/// Something does not build, or a file cannot be written.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut prefix = absolute(&arguments.prefix)?;
    if let Some(root) = env::var_os("DESTDIR").filter(|root| !root.is_empty()) {
        ensure!(
            !prefix.components().any(|part| part == Component::ParentDir),
            "{} leads out of DESTDIR: name the folder without `..`",
            prefix.display()
        );
        prefix = absolute(root)?.join(prefix.strip_prefix("/")?);
    }
    // Said before minutes are spent on building.
    fs::create_dir_all(&prefix)
        .and_then(|()| tempfile::tempfile_in(&prefix))
        .with_context(|| {
            format!(
                "cannot write to {}: name a folder of yours with --prefix",
                prefix.display()
            )
        })?;
    for arch in Arch::ALL {
        for library in [static_library::GUEST, static_library::HOST] {
            println!("building {} for {arch}", library.file);
            let folder = prefix.join("lib/paravirt").join(arch.name());
            println!(
                "{}",
                static_library::build(workspace, arch, library, &folder)?.display()
            );
        }
    }
    println!("building {}", vm_library::FILES[0]);
    for built in vm_library::build(workspace)? {
        let name = built.file_name().context("a library has a name")?;
        write(&prefix.join("lib").join(name), &fs::read(&built)?)?;
    }
    copy(
        &workspace.root().join("host/python"),
        "py",
        &prefix.join("lib/paravirt/python"),
    )?;
    copy(&workspace.root().join("ffi/include"), "h", &prefix.join("include"))?;
    copy(&workspace.linkcmds(), "ld", &prefix.join("share/paravirt/linkcmds"))?;
    descriptions(workspace, &prefix)?;
    program(workspace, &prefix)
}

/// Builds and installs `pvhost` with its manual, what shells need to complete its command lines, and licences.
///
/// # Errors
/// As [`run`].
pub fn program(workspace: &Workspace, prefix: &Path) -> Result<()> {
    println!("building {}", hosts::PVHOST);
    let built = hosts::build(workspace, hosts::PVHOST)?;
    let program = prefix.join("bin").join(hosts::PVHOST);
    write(&program, &fs::read(&built)?)?;
    let mode = fs::metadata(&program)?.permissions().mode();
    // Whoever may read it may execute it.
    fs::set_permissions(&program, Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
    let manual = prefix.join("share/man/man1");
    fs::create_dir_all(&manual)?;
    command::run(Command::new(&program).arg("man").arg(&manual))?;
    println!("{}", manual.join("pvhost*.1").display());
    for (shell, file) in [
        ("bash", "share/bash-completion/completions/pvhost"),
        ("fish", "share/fish/vendor_completions.d/pvhost.fish"),
        ("zsh", "share/zsh/site-functions/_pvhost"),
    ] {
        let script = command::output(Command::new(&program).args(["completions", shell]))?;
        write(&prefix.join(file), script.as_bytes())?;
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let text = fs::read(workspace.root().join(licence))?;
        write(&prefix.join("share/licenses/pvhost").join(licence), &text)?;
    }
    Ok(())
}

/// Installs what tells pkg-config and CMake how to use the libraries: the templates of `ffi/packages`, filled in.
fn descriptions(workspace: &Workspace, prefix: &Path) -> Result<()> {
    let fill_in = |template: &str, target: &str, values: &[(&str, &str)]| {
        let template = workspace.root().join("ffi/packages").join(template);
        let text = fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
        let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        let text = values
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value));
        write(&prefix.join("lib").join(target), text.as_bytes())
    };
    for arch in Arch::ALL {
        let (suffix, bits, machine) = match arch {
            Arch::X86_64 => ("", "-m64", "-m64 -mno-red-zone"),
            Arch::I386 => ("-i386", "-m32", "-m32"),
            Arch::Aarch64 => ("-aarch64", "", ""),
        };
        let values = [
            ("@ARCH@", arch.name()),
            ("@SUFFIX@", suffix),
            ("@BITS@", bits),
            ("@MACHINE@", machine),
            ("@TEXT@", &format!("{:#x}", c_host::text_segment(arch))),
        ];
        for side in ["guest", "host"] {
            let target = format!("pkgconfig/paravirt-{side}{suffix}.pc");
            fill_in(&format!("paravirt-{side}.pc"), &target, &values)?;
        }
    }
    for name in ["paravirt.pc", "paravirt-vm.pc"] {
        fill_in(name, &format!("pkgconfig/{name}"), &[])?;
    }
    for name in ["paravirt-config.cmake", "paravirt-config-version.cmake"] {
        fill_in(name, &format!("cmake/paravirt/{name}"), &[])?;
    }
    Ok(())
}

/// Copies those files of a folder, and of the folders in it, whose names end so.
fn copy(from: &Path, extension: &str, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let target = to.join(path.file_name().context("an entry has a name")?);
        if path.is_dir() {
            copy(&path, extension, &target)?;
        } else if path.extension().is_some_and(|other| other == extension) {
            write(&target, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

/// Writes a file and names it.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    write_if_changed(path, content)?;
    println!("{}", path.display());
    Ok(())
}
