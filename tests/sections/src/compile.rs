// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiling C and C++.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::{tools, workspace};

/// A compiler for one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// GCC.
    Gcc(Arch),
    /// clang.
    Clang(Arch),
}

/// A language of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C11.
    C,
    /// C++17.
    Cpp,
}

impl Compiler {
    /// The program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Gcc(arch) => arch.gcc(),
            Self::Clang(_) => "clang",
        }
    }

    /// The command, which compiles a file as `language` with all warnings as errors.
    #[must_use]
    pub fn command(self, language: Language) -> Command {
        let mut command = Command::new(self.program());
        if let Self::Clang(arch) = self {
            command.arg(format!("--target={}", arch.clang_target()));
        }
        match language {
            Language::C => command.args(["-x", "c", "-std=c11"]),
            Language::Cpp => {
                // The compiler for C++ is a package of its own, of which `gcc` knows nothing.
                if self == Self::Gcc(Arch::X86_64) {
                    test_support::program("g++");
                }
                command.args(["-x", "c++", "-std=c++17", "-fno-exceptions", "-fno-rtti"])
            }
        };
        command
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .args(["-fno-pic", "-fno-stack-protector"])
            .arg("-I")
            .arg(workspace().join("ffi/include"));
        if language == Language::C {
            command.arg("-ffreestanding");
        }
        command
    }

    /// Returns whether it knows that option.
    fn knows(self, language: Language, option: &str) -> bool {
        let mut command = self.command(language);
        command.args([option, "-E", "/dev/null"]);
        tools::run(&mut command).is_ok()
    }

    /// The option for a standard, of whose `names` compilers know one.
    ///
    /// # Panics
    /// If this one knows none.
    #[must_use]
    pub fn standard(self, language: Language, names: &[&str]) -> String {
        names
            .iter()
            .map(|name| format!("-std={name}"))
            .find(|option| self.knows(language, option))
            .unwrap_or_else(|| panic!("{self:?} knows none of {names:?}"))
    }

    /// Compiles `source` to an object in `folder`.
    ///
    /// # Errors
    /// The compiler's messages.
    pub fn compile(self, language: Language, source: &Path, folder: &Path, flags: &[&str]) -> Result<PathBuf, String> {
        let stem = source.file_stem().expect("a source has a name");
        let object = folder.join(stem).with_extension("o");
        tools::run(
            self.command(language)
                .args(flags)
                .arg("-c")
                .arg(source)
                .arg("-o")
                .arg(&object),
        )?;
        Ok(object)
    }
}
