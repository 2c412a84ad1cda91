// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real RTEMS, where it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paravirt_ports::rtems::bsp::Bsp;
use paravirt_ports::rtems::folders::Folders;
use paravirt_ports::rtems::location::Location;
use test_support::has_rtems_tools;
use test_support::need::{Need, Step, User};

use paravirt_section_tests::tools::{self, succeed};

use crate::own;

/// RTEMS' tools and the BSP that `cargo xtask rtems` built with them.
#[derive(Debug)]
pub struct Installed {
    location: Location,
}

impl Installed {
    /// Finds those for i386.
    ///
    /// # Panics
    /// If the user names no RTEMS, or none that is whole, or the BSP was not built.
    #[must_use]
    pub fn find() -> Self {
        Self::of(Bsp::I386)
    }

    /// Finds those for that BSP.
    ///
    /// # Panics
    /// As [`Self::find`], and if the tools are not for AArch64, where they are to be.
    #[must_use]
    pub fn of(bsp: Bsp) -> Self {
        let [prefix, source] = [User::RtemsPrefix, User::RtemsSource].map(test_support::users);
        if bsp == Bsp::Aarch64 && !has_rtems_tools(&prefix, bsp.arch()) {
            let bin = prefix.join("bin");
            Need::User(User::RtemsAarch64).panic(&format!("there is no aarch64-rtems6-gcc in {}", bin.display()));
        }
        let location = Location::at(&prefix, &source, bsp).unwrap_or_else(|error| panic!("{error:#}"));
        let installed = Self { location };
        let linkcmds = installed.libraries().join("linkcmds");
        if !linkcmds.is_file() {
            let why = format!(
                "{} is not there; run `cargo xtask rtems --bsp {}`",
                linkcmds.display(),
                bsp.name()
            );
            Need::Step(Step::RtemsBsp(bsp.arch())).panic(&why);
        }
        installed
    }

    /// The folder whose `bin` holds RTEMS' tools.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.location.prefix
    }

    /// RTEMS with its version, as in the names of its tools.
    #[must_use]
    pub fn release(&self) -> String {
        format!("rtems{}", self.location.version)
    }

    /// A tool by its name without the architecture.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.location.tool(name)
    }

    /// The C compiler with the options of an application, as RTEMS' manual has them.
    #[must_use]
    pub fn gcc(&self) -> Command {
        self.compiler("gcc")
    }

    /// As [`Self::gcc`], one of the tools that compile.
    fn compiler(&self, tool: &str) -> Command {
        let mut gcc = Command::new(self.tool(tool));
        gcc.arg(format!("-B{}", self.libraries().display()))
            .arg("-qrtems")
            .args(self.location.bsp.abi_flags())
            .args(["-O2", "-Wall", "-Wextra", "-Werror"]);
        gcc
    }

    /// Builds a program of `apps` in `folder`, as RTEMS' users do.
    ///
    /// # Panics
    /// If it does not build.
    #[must_use]
    pub fn app(&self, name: &str, folder: &Path) -> PathBuf {
        self.app_with(name, folder, &[])
    }

    /// As [`Self::app`], with these options besides.
    ///
    /// # Panics
    /// If it does not build.
    #[must_use]
    pub fn app_with(&self, name: &str, folder: &Path, options: &[&str]) -> PathBuf {
        let program = folder.join(name).with_extension("exe");
        succeed(tools::run(
            self.gcc()
                .args(options)
                .arg("-Wl,--gc-sections")
                .arg(own(&format!("apps/{name}.c")))
                .arg("-o")
                .arg(&program),
        ));
        program
    }

    /// As [`Self::app`], from C++ and with these options besides.
    ///
    /// # Panics
    /// If it does not build, or the tools have no C++.
    #[must_use]
    pub fn cpp_app(&self, name: &str, folder: &Path, options: &[&str]) -> PathBuf {
        if !self.tool("g++").is_file() {
            Need::User(User::RtemsCpp).panic(&format!("there is no {}", self.tool("g++").display()));
        }
        let program = folder.join(name).with_extension("exe");
        succeed(tools::run(
            self.compiler("g++")
                .args(options)
                .arg(own(&format!("apps/{name}.cc")))
                .arg("-o")
                .arg(&program),
        ));
        program
    }

    /// Builds one of RTEMS' own programs in `folder` from the user's sources: `cargo xtask rtems` builds the samples
    /// only. For those that are made of the files of their folder and use RTEMS' library for tests.
    ///
    /// # Panics
    /// If it does not build.
    #[must_use]
    pub fn test_program(&self, group: &str, name: &str, folder: &Path) -> PathBuf {
        let testsuites = self.location.source.join("testsuites");
        let sources = testsuites.join(group).join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(&sources)
            .unwrap_or_else(|error| panic!("{}: {error}", sources.display()))
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|file| file.extension().is_some_and(|end| end == "c"))
            .collect();
        files.sort();
        let program = folder.join(name).with_extension("exe");
        succeed(tools::run(
            self.gcc()
                // What its authors' compilers did not warn of is theirs.
                .arg("-w")
                .arg("-Wl,--gc-sections")
                .args(
                    ["support/include", "psxtests/include"]
                        .map(|headers| format!("-I{}", testsuites.join(headers).display())),
                )
                .args(files)
                .arg("-lrtemstest")
                .arg("-o")
                .arg(&program),
        ));
        program
    }

    /// `make` for a project that `pvhost new --rtems` wrote.
    #[must_use]
    pub fn make(&self, project: &Path) -> Command {
        let descriptions = self.folders().install.join("lib/pkgconfig");
        let mut make = Command::new("make");
        make.current_dir(project)
            .arg(format!("RTEMS={}", self.release()))
            .arg(format!("CC={}", self.tool("gcc").display()))
            .env("PKG_CONFIG_PATH", descriptions);
        make
    }

    /// The folder with the BSP's libraries, linkcmds and headers.
    #[must_use]
    pub fn libraries(&self) -> PathBuf {
        self.folders().libraries(&self.location)
    }

    /// One of RTEMS' own programs, as `samples/hello.exe`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folders().programs.join(name)
    }

    fn folders(&self) -> Folders {
        Folders::new(&test_support::workspace(), self.location.bsp)
    }
}
