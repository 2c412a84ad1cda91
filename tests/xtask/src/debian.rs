// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packages of Debian (and of systems made from it).

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// A compiler newer than Debian's own, and the sources of `core`, from which sysroots are built.
pub const RUST: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// C compilers for guests and for the architectures that the tests inspect, with the headers that they only recommend.
pub const C_COMPILERS: [&str; 11] = [
    "g++",
    "clang",
    "gcc-i686-linux-gnu",
    "g++-i686-linux-gnu",
    "gcc-aarch64-linux-gnu",
    "gcc-arm-linux-gnueabihf",
    "gcc-riscv64-linux-gnu",
    "libc6-dev-i386-cross",
    "libc6-dev-arm64-cross",
    "libc6-dev-armhf-cross",
    "libc6-dev-riscv64-cross",
];

/// The other linker, and the instruction counter of the benchmarks.
pub const TOOLS: [&str; 2] = ["lld", "valgrind"];

/// The compiler of [`RUST`].
pub const RUSTC: &str = "/usr/bin/rustc";
/// The cargo of [`RUST`].
pub const CARGO: &str = "/usr/bin/cargo";
/// The linter of [`RUST`].
pub const CARGO_CLIPPY: &str = "/usr/bin/cargo-clippy";
/// The sources of [`RUST`].
pub const RUST_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

/// Whether packages can be installed with apt here.
pub fn has_apt() -> bool {
    Path::new("/usr/bin/apt-get").is_file() && Path::new("/usr/bin/dpkg-query").is_file()
}

/// Those of `packages` that are not installed.
pub fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect()
}

fn is_installed(package: &str) -> bool {
    command::output(Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]))
        .is_ok_and(|status| status == "install ok installed")
}

/// Installs those of `packages` that are missing, and says so. Never removes a package to make room.
///
/// # Errors
/// Not a Debian system, neither root nor sudo without a password, or apt's own failure.
pub fn install(packages: &[&str]) -> Result<()> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    if !has_apt() {
        bail!(
            "this needs {} (names of Debian's packages), and there is no apt-get here",
            missing.join(" ")
        );
    }
    println!("installing Debian packages: {}", missing.join(" "));
    let mut apt = apt_get()?;
    apt.args(["install", "--yes", "--no-remove", "--no-install-recommends"])
        .args(&missing);
    // A hundred lines of apt help nobody unless it fails, and then they are in the error.
    if command::output(&mut apt).is_ok() {
        return Ok(());
    }
    println!("once more with fresh package lists");
    command::output(apt_get()?.arg("update"))?;
    command::output(&mut apt).map(drop)
}

/// Downloads a package to `folder`, installs nothing.
///
/// # Errors
/// apt's own failure.
pub fn download(package: &str, folder: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "download", package])
        .current_dir(folder);
    if command::output(&mut apt).is_ok() {
        return Ok(());
    }
    println!("once more with fresh package lists");
    command::output(apt_get()?.arg("update"))?;
    command::output(&mut apt).map(drop)
}

/// `apt-get` that asks nothing, with the rights to install.
fn apt_get() -> Result<Command> {
    let mut command = if is_root() {
        Command::new("env")
    } else if command::succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "env"]);
        sudo
    } else {
        bail!("installing packages needs root, or sudo that asks for no password");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
    Ok(command)
}

fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
