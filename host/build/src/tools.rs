// SPDX-License-Identifier: MIT OR Apache-2.0
//! What guests and tests need beyond stable Rust and a C compiler, and how a system gets it.
//!
//! A tool counts as there only if it *works*: the probe of each says what that means. What does not work is installed,
//! or upgraded, where apt can do that; elsewhere a person is told what to install.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use strum::{IntoStaticStr, VariantArray};

use crate::aarch64;
use crate::apt;
use crate::clang_format;
use crate::command;
use crate::emulators::{self, Xen};
use crate::sysroot;
use crate::workspace::Workspace;

/// A tool, or a group of tools that come together, in the order in which they are set up. Its
/// [key](Tool::key) is its name, unless another stands above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Tool {
    /// A Rust compiler with the sources of its `core`.
    RustSource,
    /// C and C++ for programs of the machine itself.
    #[strum(serialize = "c++")]
    Cxx,
    /// C and C++ for i386 programs.
    #[strum(serialize = "i686-gcc")]
    CrossI686,
    /// C for AArch64.
    #[strum(serialize = "aarch64-gcc")]
    CrossAarch64,
    /// C for ARMv7.
    #[strum(serialize = "arm-gcc")]
    CrossArm,
    /// C for 64-bit RISC-V.
    #[strum(serialize = "riscv64-gcc")]
    CrossRiscv64,
    /// The other C compiler.
    Clang,
    /// The other linkers.
    Linkers,
    /// The instruction counter of the benchmarks.
    Valgrind,
    /// The debugger.
    Gdb,
    /// Reports of coverage.
    Gcovr,
    /// Answers how a C program is built with an installed library.
    PkgConfig,
    /// The same for projects that are described to it.
    Cmake,
    /// An interpreter, which loads libraries.
    Python,
    /// Format and lints of the active Rust toolchain.
    RustLints,
    /// The format of C.
    ClangFormat,
    /// The emulator of PCs.
    Qemu,
    /// The emulator of Arm machines.
    QemuArm,
    /// The emulator of programs for another processor.
    QemuUser,
    /// Rust's library for programs for AArch64 Linux.
    RustAarch64,
    /// A Linux kernel that runs these in QEMU.
    LinuxAarch64,
    /// The hypervisor, which runs in QEMU.
    Xen,
    /// The hypervisor for AArch64.
    XenArm,
}

/// How the names of programs begin that tools bring. Those that nothing else is asked say their version.
const PROGRAMS: [(&str, Tool); 18] = [
    ("i686-linux-gnu-", Tool::CrossI686),
    ("aarch64-linux-gnu-", Tool::CrossAarch64),
    ("arm-linux-gnueabihf-", Tool::CrossArm),
    ("riscv64-linux-gnu-", Tool::CrossRiscv64),
    ("clang", Tool::Clang),
    ("g++", Tool::Cxx),
    ("ld.lld", Tool::Linkers),
    ("mold", Tool::Linkers),
    ("valgrind", Tool::Valgrind),
    ("gdb", Tool::Gdb),
    ("gcovr", Tool::Gcovr),
    ("pkg-config", Tool::PkgConfig),
    ("cmake", Tool::Cmake),
    ("make", Tool::Cmake),
    ("python3", Tool::Python),
    ("qemu-system-aarch64", Tool::QemuArm),
    ("qemu-system-", Tool::Qemu),
    ("qemu-aarch64", Tool::QemuUser),
];

/// A kind of system, by who makes its packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum System {
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Fedora.
    Fedora,
    /// Arch Linux.
    Arch,
}

/// Why a tool does not work, after what could be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not there, and nothing here may or can install it. The text says why.
    Missing(String),
    /// It was to be installed and was not.
    Failed(String),
}

impl Tool {
    /// The word for it where tests say what they need.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// The tool that brings a program, unless it is one that everybody has who can link Rust programs.
    pub fn that_brings(program: &str) -> Option<Self> {
        let mut programs = PROGRAMS.into_iter();
        programs
            .find(|(prefix, _)| program.starts_with(prefix))
            .map(|(_, tool)| tool)
    }

    /// What it is, for people.
    const fn what(self) -> &'static str {
        match self {
            Self::RustSource => "a Rust compiler (1.89 or later) with the sources of core",
            Self::Cxx => "C++ compiler g++",
            Self::CrossI686 => "C and C++ compilers i686-linux-gnu-gcc and g++",
            Self::CrossAarch64 => "C compiler aarch64-linux-gnu-gcc",
            Self::CrossArm => "C compiler arm-linux-gnueabihf-gcc",
            Self::CrossRiscv64 => "C compiler riscv64-linux-gnu-gcc",
            Self::Clang => "C compiler clang",
            Self::Linkers => "linkers ld.lld and mold",
            Self::Valgrind => "valgrind",
            Self::Gdb => "gdb",
            Self::Gcovr => "gcovr",
            Self::PkgConfig => "pkg-config",
            Self::Cmake => "CMake and make",
            Self::Python => "Python 3",
            Self::RustLints => "cargo fmt and cargo clippy",
            Self::ClangFormat => "clang-format of one version, by pip",
            Self::Qemu => "QEMU for PCs (7.2 or later)",
            Self::QemuArm => "QEMU for Arm machines (7.2 or later)",
            Self::QemuUser => "QEMU for programs (qemu-aarch64)",
            Self::RustAarch64 => "Rust's library for AArch64 Linux",
            Self::LinuxAarch64 => "a Linux kernel for AArch64",
            Self::Xen => "Xen (4.17 or later)",
            Self::XenArm => "Xen for AArch64 (4.17 or later)",
        }
    }

    /// Packages of a system; none where that system has none.
    const fn packages(self, system: System) -> &'static [&'static str] {
        use System::{Arch, Debian, Fedora, Ubuntu};
        match (self, system) {
            (Self::RustSource, Debian) => &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"],
            (Self::RustSource, Fedora) => &["rust-src"],
            (Self::RustSource, Arch) => &["rust-src"],
            (Self::RustSource, Ubuntu) => &[],
            (Self::Cxx, Debian | Ubuntu) => &["g++"],
            (Self::Cxx, Fedora) => &["gcc-c++"],
            (Self::Cxx, Arch) => &["gcc"],
            (Self::CrossI686, Debian | Ubuntu) => &["gcc-i686-linux-gnu", "g++-i686-linux-gnu", "libc6-dev-i386-cross"],
            (Self::CrossI686, Fedora | Arch) => &[],
            (Self::CrossAarch64, Debian | Ubuntu) => &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
            (Self::CrossAarch64, Fedora) => &["gcc-aarch64-linux-gnu"],
            (Self::CrossAarch64, Arch) => &["aarch64-linux-gnu-gcc"],
            (Self::CrossArm, Debian | Ubuntu) => &["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
            (Self::CrossArm, Fedora | Arch) => &[],
            (Self::CrossRiscv64, Debian | Ubuntu) => &["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
            (Self::CrossRiscv64, Fedora) => &["gcc-riscv64-linux-gnu"],
            (Self::CrossRiscv64, Arch) => &["riscv64-linux-gnu-gcc"],
            (Self::Clang, _) => &["clang"],
            (Self::Linkers, _) => &["lld", "mold"],
            (Self::Valgrind, _) => &["valgrind"],
            (Self::Gdb, _) => &["gdb"],
            (Self::Gcovr, Debian | Ubuntu | Fedora) => &["gcovr"],
            (Self::Gcovr, Arch) => &[],
            (Self::PkgConfig, Fedora) => &["pkgconf-pkg-config"],
            (Self::PkgConfig, _) => &["pkgconf"],
            (Self::Cmake, _) => &["cmake", "make"],
            (Self::Python, Arch) => &["python"],
            (Self::Python, _) => &["python3"],
            (Self::RustLints, Debian | Ubuntu) => &[],
            (Self::RustLints, Fedora) => &["rustfmt", "clippy"],
            (Self::RustLints, Arch) => &["rust"],
            (Self::ClangFormat, Arch) => &["python-pip"],
            (Self::ClangFormat, _) => &["python3-pip"],
            (Self::Qemu, Fedora) => &["qemu-system-x86-core"],
            (Self::Qemu, _) => &["qemu-system-x86"],
            (Self::QemuArm, Fedora) => &["qemu-system-aarch64-core"],
            (Self::QemuArm, Arch) => &["qemu-system-aarch64"],
            (Self::QemuArm, _) => &["qemu-system-arm"],
            (Self::QemuUser, _) => &["qemu-user"],
            (Self::RustAarch64, Debian) => &["libstd-rust-web-dev:arm64"],
            (Self::RustAarch64, Fedora) => &["rust-std-static-aarch64-unknown-linux-gnu"],
            (Self::RustAarch64, Ubuntu | Arch) => &[],
            (Self::LinuxAarch64, Debian) => &["linux-image-cloud-arm64:arm64"],
            (Self::LinuxAarch64, Ubuntu | Fedora | Arch) => &[],
            (Self::Xen, Fedora) => &["xen-hypervisor"],
            (Self::Xen, Debian | Ubuntu) => &["xen-hypervisor-VERSION-amd64"],
            (Self::Xen, Arch) => &[],
            (Self::XenArm, Debian | Ubuntu) => &["xen-hypervisor-VERSION-arm64:arm64"],
            (Self::XenArm, Fedora | Arch) => &[],
        }
    }

    /// Sees whether it works.
    ///
    /// # Errors
    /// What does not.
    pub fn probe(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::RustSource => sysroot::source().map(drop),
            Self::Cxx => compiles("g++", "c++"),
            Self::CrossI686 => {
                compiles("i686-linux-gnu-gcc", "c")?;
                compiles("i686-linux-gnu-g++", "c++")
            }
            Self::CrossAarch64 => compiles("aarch64-linux-gnu-gcc", "c"),
            Self::CrossArm => compiles("arm-linux-gnueabihf-gcc", "c"),
            Self::CrossRiscv64 => compiles("riscv64-linux-gnu-gcc", "c"),
            Self::Clang => compiles("clang", "c"),
            Self::Valgrind => answers(Command::new("valgrind").args(["--quiet", "true"])),
            Self::Gdb => answers(Command::new("gdb").args(["-nx", "--version"])),
            Self::RustLints => {
                answers(command::cargo().args(["fmt", "--version"]))?;
                answers(command::cargo().args(["clippy", "--version"]))
            }
            Self::ClangFormat => clang_format::program(workspace).map(drop),
            Self::Qemu => emulators::works(emulators::QEMU),
            Self::QemuArm => emulators::works(emulators::QEMU_ARM),
            Self::RustAarch64 => aarch64::library_works(workspace),
            Self::LinuxAarch64 => aarch64::kernel(workspace).map(drop),
            Self::Xen => emulators::xen_works(Xen::X86, workspace),
            Self::XenArm => emulators::xen_works(Xen::Arm, workspace),
            Self::Linkers | Self::Gcovr | Self::PkgConfig | Self::Cmake | Self::Python | Self::QemuUser => {
                let mut programs = PROGRAMS.iter().filter(|(_, tool)| *tool == self);
                programs.try_for_each(|(program, _)| answers(Command::new(program).arg("--version")))
            }
        }
    }

    /// Installs or upgrades it with apt.
    fn install(self, workspace: &Workspace) -> Result<()> {
        let packages = self.packages(System::here());
        match self {
            Self::RustAarch64 => aarch64::unpack_library(workspace),
            Self::LinuxAarch64 => aarch64::unpack_kernel(workspace),
            // Its package is what unpacks it, if that is there already.
            Self::ClangFormat => clang_format::unpack(workspace).or_else(|_| {
                apt::install(packages)?;
                clang_format::unpack(workspace)
            }),
            Self::Xen => emulators::unpack_xen(Xen::X86, workspace),
            Self::XenArm => emulators::unpack_xen(Xen::Arm, workspace),
            // What conflicts with an installed package, or what its user may not install, is unpacked: that takes
            // nothing away from anybody.
            Self::Qemu | Self::QemuArm => apt::install(packages).or_else(|reason| {
                println!("{reason:#}");
                // All at once: they share a folder.
                let packages = [Self::Qemu, Self::QemuArm].map(|tool| tool.packages(System::here()));
                emulators::unpack_qemu(&packages.concat(), workspace)
            }),
            _ => apt::install(packages),
        }
    }

    /// Returns whether an ordinary user can have it with apt.
    const fn needs_root(self) -> bool {
        !matches!(
            self,
            Self::ClangFormat
                | Self::Xen
                | Self::XenArm
                | Self::Qemu
                | Self::QemuArm
                | Self::RustAarch64
                | Self::LinuxAarch64
        )
    }
}

impl System {
    /// The one that this program runs on, as far as it has apt: Ubuntu and what is made from it, else Debian.
    fn here() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is_ubuntu = release
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
            .any(|names| names.trim_matches('"').split(' ').any(|name| name == "ubuntu"));
        if is_ubuntu { Self::Ubuntu } else { Self::Debian }
    }

    /// Its name, and its command to install packages.
    const fn installer(self) -> (&'static str, &'static str) {
        match self {
            Self::Debian => ("Debian", "apt-get install"),
            Self::Ubuntu => ("Ubuntu", "apt-get install"),
            Self::Fedora => ("Fedora", "dnf install"),
            Self::Arch => ("Arch", "pacman -S"),
        }
    }
}

/// How a person gets what is missing, on each system, and where it has no package; `None`: nothing is.
pub fn advice(states: &[(Tool, State)]) -> Option<String> {
    let missing = states.iter().filter(|(_, state)| matches!(state, State::Missing(_)));
    let tools: Vec<Tool> = missing.map(|(tool, _)| *tool).collect();
    if tools.is_empty() {
        return None;
    }
    let mut lines = vec!["to have what is missing:".to_owned()];
    for &system in System::VARIANTS {
        let (name, command) = system.installer();
        let mut line = format!("  {name}: {command}");
        for package in tools.iter().flat_map(|tool| tool.packages(system)) {
            line.push(' ');
            line.push_str(package);
        }
        let without = tools.iter().filter(|tool| tool.packages(system).is_empty());
        let without: Vec<&str> = without.map(|tool| tool.key()).collect();
        if !without.is_empty() {
            line.push_str(&format!(" (no package: {})", without.join(", ")));
        }
        lines.push(line);
    }
    for (tool, line) in [
        (
            Tool::RustSource,
            "  with rustup: rustup component add rust-src, rustup target add i586-unknown-linux-gnu",
        ),
        (Tool::RustLints, "  with rustup: rustup component add rustfmt clippy"),
        (
            Tool::RustAarch64,
            "  with rustup: rustup target add aarch64-unknown-linux-gnu",
        ),
        (Tool::Xen, "  or name the file of a Xen from elsewhere in PVHOST_XEN"),
        (
            Tool::XenArm,
            "  or name the file of a Xen for AArch64 from elsewhere in PVHOST_XEN_ARM64",
        ),
    ] {
        if tools.contains(&tool) {
            lines.push(line.to_owned());
        }
    }
    Some(lines.join("\n"))
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

/// Looks at every tool and, with `install`, sets up what does not work. Returns what does not work then.
pub fn set_up(workspace: &Workspace, install: bool) -> Vec<(Tool, State)> {
    let broken = |tool: Tool| tool.probe(workspace).err();
    let wanted: Vec<Tool> = Tool::VARIANTS
        .iter()
        .copied()
        .filter(|tool| broken(*tool).is_some())
        .collect();
    let mut hindrance = if install && wanted.is_empty() {
        None
    } else if install {
        apt::hindrance()
    } else {
        Some("installing was not asked for (--no-install)".to_owned())
    };
    let mut problems = Vec::new();
    if install && !wanted.is_empty() && apt::is_here() {
        for tool in &wanted {
            println!("missing: {tool}");
        }
        let as_root = hindrance.is_none();
        let refreshed = if as_root { apt::refresh() } else { Ok(()) };
        if let Err(error) = &refreshed {
            println!("the package lists stay as they are: {error:#}");
        }
        problems = install_all(workspace, &wanted, as_root);
        // What is not there then could not be fetched, or is not known here: nobody's mistake.
        if refreshed.is_err_and(|error| is_offline(&format!("{error:#}"))) {
            hindrance = Some("the archives cannot be reached".to_owned());
        }
    }
    let still_broken = wanted.into_iter().filter_map(|tool| Some((tool, broken(tool)?)));
    still_broken
        .map(|(tool, error)| {
            let tried = problems.iter().find(|(of, _)| *of == tool);
            let tried = tried.map(|(_, text)| &text[..]);
            (tool, not_working(tool, &error, hindrance.as_deref(), tried))
        })
        .collect()
}

/// Installs those of `tools` that it may: all at once, and where that fails one by one, so that one that cannot be had
/// does not keep others away. What went wrong with which.
fn install_all(workspace: &Workspace, tools: &[Tool], as_root: bool) -> Vec<(Tool, String)> {
    let system = System::here();
    let (mut together, mut one_by_one): (Vec<Tool>, Vec<Tool>) = tools.iter().partition(|tool| tool.needs_root());
    together.retain(|tool| as_root && !tool.packages(system).is_empty());
    let packages = together.iter().flat_map(|tool| tool.packages(system));
    let packages: Vec<&str> = packages.copied().collect();
    if !packages.is_empty() && apt::install(&packages).is_err() {
        println!("that failed; now one after the other");
        one_by_one.splice(0..0, together);
    }
    one_by_one
        .into_iter()
        .filter_map(|tool| Some((tool, format!("{:#}", tool.install(workspace).err()?))))
        .collect()
}

/// The state of a tool that does not work: `error` is what its probe said, `tried` what an attempt to install it did.
fn not_working(tool: Tool, error: &anyhow::Error, hindrance: Option<&str>, tried: Option<&str>) -> State {
    let nobody_could = match (hindrance, tried) {
        (Some(hindrance), _) => Some(hindrance.to_owned()),
        _ if tool.packages(System::here()).is_empty() => Some("there is no package of it".to_owned()),
        (None, Some(text)) if is_offline(text) => Some("the packages could not be fetched".to_owned()),
        _ => None,
    };
    match nobody_could {
        Some(why) => State::Missing(format!("{tool}: missing ({error:#}); {why}")),
        None => State::Failed(format!(
            "{tool} was to be installed, and does not work: {}",
            tried.map_or_else(|| format!("{error:#}"), str::to_owned)
        )),
    }
}

/// Returns whether apt's messages say that it could not reach an archive, or has no lists of what is there.
fn is_offline(messages: &str) -> bool {
    [
        "Could not resolve",
        "Temporary failure resolving",
        "Could not connect",
        "Cannot initiate the connection",
        "Unable to connect",
        "Connection timed out",
        "Unable to locate package",
        // pip's, where it reaches no index.
        "(from versions: none)",
    ]
    .iter()
    .any(|text| messages.contains(text))
}

/// Compiles and links a program that includes a header of the language's library.
fn compiles(compiler: &str, language: &str) -> Result<()> {
    let header = if language == "c" { "stdio.h" } else { "cstdio" };
    let source = format!("#include <{header}>\nint main(void) {{ return 0; }}\n");
    let program = tempfile::NamedTempFile::new()?.into_temp_path();
    let mut cc = Command::new(compiler);
    cc.args(["-x", language, "-", "-o"]).arg(&program);
    let output = command::feed(&mut cc, source.as_bytes())?;
    ensure!(
        output.status.success(),
        "{compiler} compiles no program with {header}: {}",
        String::from_utf8_lossy(&output.stderr)
            .lines()
            .next()
            .unwrap_or("no message")
    );
    Ok(())
}

fn answers(command: &mut Command) -> Result<()> {
    command::output(command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_here_could_install_is_missing_and_the_rest_has_failed() {
        let error = anyhow::anyhow!("cannot start mold");
        let state = |hindrance, tried| not_working(Tool::Linkers, &error, hindrance, tried);
        let missing = |state| matches!(state, State::Missing(text) if text.contains("cannot start mold"));
        assert!(missing(state(Some("no root"), None)));
        assert!(missing(state(None, Some("E: Could not resolve 'archive'"))));
        let State::Failed(text) = state(None, Some("a cannot be installed beside b")) else {
            panic!("apt's refusal is a failure");
        };
        assert!(text.contains("a cannot be installed beside b"), "{text}");
        assert!(matches!(state(None, None), State::Failed(_)));
    }

    #[test]
    fn advice_has_the_packages_of_each_system_and_names_what_has_none() {
        let missing = |tool| (tool, State::Missing(String::new()));
        let failed = (Tool::RustLints, State::Failed(String::new()));
        let advice = advice(&[
            missing(Tool::Linkers),
            missing(Tool::CrossI686),
            missing(Tool::Xen),
            failed,
        ]);
        let advice = advice.expect("something is missing");
        for line in [
            "  Ubuntu: apt-get install lld mold gcc-i686-linux-gnu",
            "  Fedora: dnf install lld mold xen-hypervisor (no package: i686-gcc)",
            "  Arch: pacman -S lld mold (no package: i686-gcc, xen)",
            "PVHOST_XEN",
        ] {
            assert!(advice.contains(line), "no {line:?} in\n{advice}");
        }
        assert!(!advice.contains("rustup"), "{advice}");
    }

    #[test]
    fn a_compiler_that_is_not_there_does_not_compile() {
        let error = compiles("no-such-compiler", "c").expect_err("not there");
        assert!(format!("{error:#}").contains("no-such-compiler"));
    }
}
