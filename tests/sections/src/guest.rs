// SPDX-License-Identifier: MIT OR Apache-2.0
//! Building guests in Rust, as a project of their own that depends on the layer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::link::Linker;
use crate::{fixture, tools, workspace};

/// Optimization of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// None.
    O0,
    /// For speed, one object for each part of the crate.
    O2,
    /// For size.
    Os,
    /// For speed, everything in one object.
    FatLto,
    /// For speed, across the crates' objects.
    ThinLto,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::O0, Self::O2, Self::Os, Self::FatLto, Self::ThinLto];

    const fn name(self) -> &'static str {
        match self {
            Self::O0 => "o0",
            Self::O2 => "o2",
            Self::Os => "os",
            Self::FatLto => "fat",
            Self::ThinLto => "thin",
        }
    }
}

const PROFILES: &str = r#"
[profile.o0]
inherits = "dev"
panic = "abort"
[profile.o2]
inherits = "release"
opt-level = 2
panic = "abort"
[profile.os]
inherits = "o2"
opt-level = "s"
[profile.fat]
inherits = "o2"
lto = "fat"
[profile.thin]
inherits = "o2"
lto = "thin"
"#;

/// A project with the fixtures `guest/main.rs` and `guest/staticlib.rs`.
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
        fs::create_dir_all(folder).expect("a folder for the project");
        let root = workspace();
        let manifest = format!(
            "[workspace]\n[package]\nname = \"guest\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [lib]\nname = \"staticlib\"\npath = {:?}\ncrate-type = [\"staticlib\"]\n\
             [[bin]]\nname = \"guest\"\npath = {:?}\n\
             [dependencies.paravirt-bsp]\npath = {:?}\n\
             features = [\"panic-handler\", \"memory-functions\", \"linux-syscall\"]\n\
             [lints.rust]\nunexpected_cfgs = {{ level = \"warn\", check-cfg = [\"cfg(other_prototype)\"] }}\n{PROFILES}",
            fixture("guest/staticlib.rs"),
            fixture("guest/main.rs"),
            root.join("bsp"),
        );
        write(&folder.join("Cargo.toml"), &manifest);
        // The versions of the workspace, without asking the registry.
        let lock = fs::read_to_string(root.join("Cargo.lock")).expect("the workspace's lock file");
        write(&folder.join("Cargo.lock"), &lock);
        Self {
            folder: folder.to_owned(),
        }
    }

    fn cargo(&self, profile: Profile) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(&self.folder)
            .args(["rustc", "--quiet", "--profile", profile.name()])
            .args(["--target", "x86_64-unknown-linux-gnu"])
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("RUSTFLAGS", "-Crelocation-model=static");
        command
    }

    fn output(&self, profile: Profile, name: &str) -> PathBuf {
        self.folder
            .join("target/x86_64-unknown-linux-gnu")
            .join(profile.name())
            .join(name)
    }

    /// Builds the guest with `script` and more `arguments` for the compiler.
    ///
    /// # Errors
    /// The messages of compiler and linker.
    pub fn guest(
        &self,
        profile: Profile,
        linker: Linker,
        script: &Path,
        arguments: &[&str],
    ) -> Result<PathBuf, String> {
        let mut command = self.cargo(profile);
        command
            .args(["--bin", "guest", "--"])
            // The compiler's own choice of a linker comes first otherwise.
            .arg("-Clinker-features=-lld")
            .arg(format!("-Clink-arg={}", linker.argument()))
            .args(["-nostartfiles", "-static", "-no-pie", "-Wl,--build-id=none"].map(link_argument))
            .arg(link_argument(&format!("-L{}", workspace().join("linkcmds").display())))
            .arg(link_argument(&format!("-Wl,-T,{}", script.display())))
            .args(arguments);
        tools::run(&mut command)?;
        Ok(self.output(profile, "guest"))
    }

    /// Builds the static library.
    ///
    /// # Errors
    /// The compiler's messages.
    pub fn static_library(&self, profile: Profile) -> Result<PathBuf, String> {
        tools::run(self.cargo(profile).arg("--lib"))?;
        Ok(self.output(profile, "libstaticlib.a"))
    }
}

/// An argument for the compiler that hands `argument` to the linker.
#[must_use]
pub fn link_argument(argument: &str) -> String {
    format!("-Clink-arg={argument}")
}

/// Writes a file unless it has the content already, so that cargo need not look again.
pub(crate) fn write(path: &Path, content: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == content) {
        return;
    }
    fs::write(path, content).expect("a file of the project");
}

impl Project {
    /// Builds the layer alone for `arch`.
    ///
    /// # Errors
    /// The compiler's messages.
    pub fn layer(&self, arch: Arch) -> Result<PathBuf, String> {
        let target = self.folder.join("target-of-sysroots");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.folder)
            .args(["build", "--quiet", "--profile", Profile::Os.name()])
            .args(["--package", "paravirt-bsp"])
            .args(["--target", arch.rust_target()])
            .env("CARGO_TARGET_DIR", &target);
        test_support::build_for(&mut cargo, arch.rust_target(), "-Crelocation-model=static");
        tools::run(&mut cargo)?;
        Ok(target
            .join(arch.rust_target())
            .join(Profile::Os.name())
            .join("libparavirt_bsp.rlib"))
    }
}
