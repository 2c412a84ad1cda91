// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share: guests, hosts, QEMU and Xen on this machine, and one way to say that something is missing.
//!
//! A test that cannot do its work panics with what it [`need`]s; it never passes silently. `cargo xtask test` knows
//! what this machine has, and counts such a test as skipped if only a user can bring it, as not run if a step of ours
//! failed, and as failed otherwise.

mod debugger;
pub mod machine;
pub mod need;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use debugger::{gdb, gdb_at, has_in_order};
pub use paravirt_build::arch::Arch;
use paravirt_build::emulators::{self, Xen};
use paravirt_build::files;
use paravirt_build::guests;
use paravirt_build::static_library;
use paravirt_build::sysroot;
use paravirt_build::toolchain;
pub use paravirt_build::tools::Tool;
use paravirt_build::workspace::Workspace;

use libtest_mimic::{Failed, Trial};

use need::{Need, Step, User};

/// The checkout.
#[must_use]
pub fn workspace() -> Workspace {
    Workspace::find().expect("tests run in the checkout that built them")
}

/// Where the finished ELF of a guest is, once it was built: below the folder that `PARAVIRT_GUESTS` names (so that
/// guests of another checkout can be tried), by default `target/guests`.
#[must_use]
pub fn guest_path(arch: Arch, name: &str) -> PathBuf {
    guests::path(&workspace(), arch, name)
}

/// The finished ELF of a guest.
///
/// # Panics
/// If it was not built.
#[must_use]
#[track_caller]
pub fn guest(arch: Arch, name: &str) -> PathBuf {
    built(guest_path(arch, name), Step::Guests(arch), "cargo xtask guests")
}

/// The same of a guest that can run in ring 0.
///
/// # Panics
/// If it was not built, or its code uses the red zone.
#[must_use]
#[track_caller]
pub fn ring0_guest(arch: Arch, name: &str) -> PathBuf {
    let path = guest(arch, name);
    let image = fs::read(&path).expect("a readable guest");
    if arch == Arch::X86_64 && !has_no_red_zone(&image) {
        Need::Step(Step::Sysroots).panic(&format!(
            "{} was built with a red zone; run `cargo xtask setup`, then `cargo xtask guests`",
            path.display()
        ));
    }
    path
}

/// Returns whether the identity note of an image says that its code uses no red zone.
fn has_no_red_zone(image: &[u8]) -> bool {
    /// Length of owner and descriptor, type, owner; flags follow behind version and machine. See `ffi/abi/README.md`.
    const NOTE: &[u8] = b"\x09\0\0\0\x18\0\0\0\x01\0\0\0paravirt\0\0\0\0";
    image
        .windows(NOTE.len() + 9)
        .find(|window| window.starts_with(NOTE))
        .is_some_and(|window| window[NOTE.len() + 8] & 1 != 0)
}

/// A file of `cargo xtask hosts`: a host in C, or the library that it stands on.
///
/// # Panics
/// If it was not built.
#[must_use]
#[track_caller]
pub fn c_host(arch: Arch, name: &str) -> PathBuf {
    built(
        workspace().hosts().join(arch.name()).join(name),
        Step::CHosts(arch),
        "cargo xtask hosts",
    )
}

/// The Rust part of RTEMS' BSP for `arch`, a static library.
///
/// # Panics
/// If it was not built.
#[must_use]
#[track_caller]
pub fn rtems_library(arch: Arch) -> PathBuf {
    built(
        workspace().rtems_library(arch).join(static_library::RTEMS.file),
        Step::RtemsLibrary(arch),
        "cargo xtask test",
    )
}

/// Returns whether a folder with RTEMS' tools has those for `arch`, of whatever version.
#[must_use]
pub fn has_rtems_tools(prefix: &Path, arch: Arch) -> bool {
    let begin = format!("{arch}-rtems");
    let tools = fs::read_dir(prefix.join("bin")).into_iter().flatten().flatten();
    tools.map(|tool| tool.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with(&begin) && name.ends_with("-gcc")
    })
}

/// Lets a cargo that is started by `command` build for `target`, with those flags of the compiler: with the active
/// toolchain, if that has a library for the target, else with the sysroot that was built here and its compiler.
///
/// # Panics
/// If neither is there.
#[track_caller]
pub fn build_for(command: &mut Command, target: &str, flags: &str) {
    // Separated by 0x1f, cargo's way to allow spaces in paths.
    let mut flags = flags.replace(' ', "\x1f");
    if toolchain::active_has(target).expect("there is a Rust compiler") {
        command.env("CARGO_ENCODED_RUSTFLAGS", flags);
        return;
    }
    let folder = workspace().sysroots().join(target);
    let Ok(rustc) = sysroot::rustc(&folder) else {
        Need::Step(Step::Sysroots).panic(&format!("{} was not built; run `cargo xtask setup`", folder.display()));
    };
    flags.push_str(&format!("\x1f--sysroot={}", folder.display()));
    command.env("RUSTC", rustc).env("CARGO_ENCODED_RUSTFLAGS", flags);
}

#[track_caller]
fn built(path: PathBuf, step: Step, command: &str) -> PathBuf {
    if !path.is_file() {
        Need::Step(step).panic(&format!("{} was not built; run `{command}`", path.display()));
    }
    path
}

/// QEMU's program for AArch64.
///
/// # Panics
/// If there is none that works.
#[must_use]
#[track_caller]
pub fn qemu_arm() -> PathBuf {
    tool(Tool::QemuArm);
    emulators::emulator(emulators::QEMU_ARM)
}

/// QEMU's program for x86-64 and i386.
///
/// # Panics
/// If there is none that works.
#[must_use]
#[track_caller]
pub fn qemu() -> PathBuf {
    tool(Tool::Qemu);
    emulators::emulator(emulators::QEMU)
}

/// The file with Xen, as a package has it.
///
/// # Panics
/// If there is none.
#[must_use]
#[track_caller]
pub fn xen() -> PathBuf {
    tool(Tool::Xen);
    emulators::xen(Xen::X86, &workspace()).expect("it was found a moment ago")
}

/// The file with Xen for AArch64, as a package has it.
///
/// # Panics
/// If there is none.
#[must_use]
#[track_caller]
pub fn xen_arm() -> PathBuf {
    tool(Tool::XenArm);
    emulators::xen(Xen::Arm, &workspace()).expect("it was found a moment ago")
}

/// Sees that a tool is there.
///
/// # Panics
/// If it is not, or does not work.
#[track_caller]
pub fn tool(tool: Tool) {
    if let Err(error) = tool.probe(&workspace()) {
        Need::Tool(tool).panic(&format!("{error:#}"));
    }
}

/// Makes a folder that is kept from run to run, because what is built there takes long, and takes it: as long as the
/// file lives, other tests and other runs wait.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn take_kept_folder(folder: &Path) -> File {
    fs::create_dir_all(folder).expect("a folder that can be made");
    files::lock(&folder.join(".lock")).expect("a folder that can be written, with locks")
}

/// Sees that a program can be started.
///
/// # Panics
/// If it cannot.
#[track_caller]
pub fn program(name: &str) {
    let starts = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !starts {
        let why = format!("there is no {name} that works");
        match Tool::that_brings(name) {
            Some(tool) => Need::Tool(tool).panic(&why),
            None => panic!("{why}"),
        }
    }
}

/// A test by name that needs things of the user's: marked as ignored, with the reason, where one of them is not named.
#[must_use]
pub fn trial(
    name: impl Into<String>,
    needs: &[User],
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let trial = Trial::test(name, run);
    match needs.iter().find(|user| !user.is_named()) {
        Some(missing) => trial.with_kind(missing.reason()).with_ignored_flag(true),
        None => trial,
    }
}

/// A folder that a user's variable names.
///
/// # Panics
/// If the variable is not set.
#[must_use]
#[track_caller]
pub fn users(what: User) -> PathBuf {
    match what.value() {
        Some(value) => PathBuf::from(value),
        None => Need::User(what).panic(what.reason()),
    }
}
