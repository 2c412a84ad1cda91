// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images whose code the compiler splits into many objects, of which a linker takes those that something refers to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind};

use crate::arch::Arch;
use crate::guest::write;
use crate::link::Linker;
use crate::{tools, workspace};

/// How the compiler splits a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// As `cargo build` does: an object for each module.
    Development,
    /// As `cargo build --release` does.
    Release,
    /// Into as many objects as it can, optimized.
    Many,
    /// Not at all.
    One,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Development, Self::Release, Self::Many, Self::One];

    const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Release => "plain-release",
            Self::Many => "many",
            Self::One => "one",
        }
    }
}

const PROFILES: &str = r#"
[profile.development]
inherits = "dev"
panic = "abort"
incremental = true
[profile.plain-release]
inherits = "release"
panic = "abort"
[profile.many]
inherits = "plain-release"
codegen-units = 256
[profile.one]
inherits = "dev"
panic = "abort"
incremental = false
codegen-units = 1
"#;

/// A note of an image: its section, its type, what it says.
pub type Note = (String, u32, Vec<u8>);

/// A project of a library that names backends and does nothing else, and a program that has `main`.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// A project in `folder`, which keeps what was built for later runs.
    ///
    /// # Panics
    /// If the folder cannot be written.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let root = workspace();
        let manifest = format!(
            "[workspace]\n[package]\nname = \"split\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [lib]\ncrate-type = [\"rlib\", \"staticlib\"]\n\
             [dependencies.paravirt-bsp]\npath = {:?}\n\
             features = [\"panic-handler\", \"memory-functions\", \"linux-syscall\", \"bare\", \"xen\", \"pok\"]\n{PROFILES}",
            root.join("bsp"),
        );
        fs::create_dir_all(folder.join("src")).expect("a folder for the project");
        write(&folder.join("Cargo.toml"), &manifest);
        let lock = fs::read_to_string(root.join("Cargo.lock")).expect("the workspace's lock file");
        write(&folder.join("Cargo.lock"), &lock);
        write(
            &folder.join("src/lib.rs"),
            "#![no_std]\nparavirt_bsp::image! { backends: [linux_syscall, bare, xen, pok] }\n",
        );
        write(
            &folder.join("src/main.rs"),
            "#![no_std]\n#![no_main]\nuse split as _;\n\
             paravirt_bsp::image! { main: main }\n\
             fn main() { paravirt_bsp::println!(\"program\"); }\n",
        );
        Self {
            folder: folder.to_owned(),
        }
    }

    fn cargo(&self, arch: Arch, split: Split) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(&self.folder)
            .args(["rustc", "--quiet", "--profile", split.name()])
            .args(["--target", arch.rust_target()])
            .env("CARGO_TARGET_DIR", self.folder.join("target"));
        test_support::build_for(&mut command, arch.rust_target(), "-Crelocation-model=static");
        command
    }

    fn output(&self, arch: Arch, split: Split, name: &str) -> PathBuf {
        self.folder
            .join("target")
            .join(arch.rust_target())
            .join(split.name())
            .join(name)
    }

    /// Builds the program, in which library and layer are archives; linked by `linker` and `script`.
    ///
    /// # Errors
    /// The messages of compiler and linker.
    pub fn program(&self, arch: Arch, split: Split, linker: Linker, script: &Path) -> Result<PathBuf, String> {
        let folder = format!("-L{}", workspace().join("linkcmds").display());
        let script = format!("-Wl,-T,{}", script.display());
        let mut command = self.cargo(arch, split);
        command.args(["--bin", "split", "--"]).args(
            [
                linker.argument(),
                "-nostartfiles",
                "-static",
                "-no-pie",
                "-Wl,--gc-sections",
                &folder,
                &script,
            ]
            .map(|argument| format!("-Clink-arg={argument}")),
        );
        // There the compiler's own choice of a linker comes first otherwise.
        if arch == Arch::X86_64 {
            command.arg("-Clinker-features=-lld");
        }
        tools::run(&mut command)?;
        Ok(self.output(arch, split, "split"))
    }

    /// Builds the library with all that it stands on, for a program in another language.
    ///
    /// # Errors
    /// The compiler's messages.
    pub fn static_library(&self, arch: Arch, split: Split) -> Result<PathBuf, String> {
        tools::run(self.cargo(arch, split).arg("--lib"))?;
        Ok(self.output(arch, split, "libsplit.a"))
    }
}

/// The notes of an image.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn notes(image: &Path) -> Vec<Note> {
    let data = fs::read(image).expect("the linker wrote the image");
    match FileKind::parse(&*data).expect("an object file") {
        FileKind::Elf32 => notes_in::<FileHeader32<Endianness>>(&data),
        FileKind::Elf64 => notes_in::<FileHeader64<Endianness>>(&data),
        other => panic!("{other:?}"),
    }
}

fn notes_in<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Vec<Note> {
    let header = Elf::parse(data).expect("an ELF file");
    let endian = header.endian().expect("an ELF file");
    let sections = header.sections(endian, data).expect("sections");
    let mut found = Vec::new();
    for section in sections.iter() {
        let Some(mut notes) = section.notes(endian, data).expect("notes") else {
            continue;
        };
        let name = sections.section_name(endian, section).expect("a name");
        while let Some(note) = notes.next().expect("a note") {
            found.push((
                String::from_utf8_lossy(name).into_owned(),
                note.n_type(endian).0,
                note.desc().to_vec(),
            ));
        }
    }
    found.sort();
    found
}
