// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sysroots with `core`, `alloc` and `compiler_builtins` for targets that a compiler brings no library for.
//!
//! Built once by cargo's build-std from the sources in Debian's package, which holds the crates they depend on too, so
//! nothing is downloaded. After that a guest is a plain build with `--sysroot`, on a stable compiler.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::debian;
use crate::workspace::Workspace;

/// Libraries that make up a sysroot.
const LIBRARIES: [&str; 3] = ["libcore-", "liballoc-", "libcompiler_builtins-"];

/// Manifest of the empty crate that build-std builds them for. `lto = "off"`: fat LTO here leaves nothing to link with.
const MANIFEST: &str = r#"[package]
name = "sysroot"
version = "0.0.0"
edition = "2024"

[profile.release]
panic = "abort"
lto = "off"

[workspace]
"#;

/// Flags for the libraries, separated by 0x1f. Guests link them with LTO, which needs bitcode, and cargo would leave it out; and
/// x86-64 guests run in ring 0, where interrupts are pushed over a red zone (the other targets have none).
const RUSTFLAGS: &str = "-Cembed-bitcode=yes\x1f-Cno-redzone";

/// Makes sure that every one of `targets` has an up-to-date sysroot, see [`path`].
///
/// # Errors
/// The compiler or its sources are not installed, or the build fails.
pub fn ensure(workspace: &Workspace, targets: &[&str]) -> Result<()> {
    let stamp = stamp()?;
    let sysroots = workspace.sysroots();
    fs::create_dir_all(&sysroots)?;
    // Two task runners at once: the second waits, then finds the work done.
    let lock = File::create(sysroots.join(".lock"))?;
    lock.lock().context("cannot lock the sysroots")?;
    let stale: Vec<&str> = targets
        .iter()
        .copied()
        .filter(|target| !is_current(&path(workspace, target), &stamp))
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    println!(
        "building core and alloc for {} (once, about 20 s each)",
        stale.join(", ")
    );
    let start = Instant::now();
    let build = build(&sysroots.join("build"), &stale)?;
    for target in &stale {
        assemble(
            &build.join(target).join("release/deps"),
            &path(workspace, target),
            target,
            &stamp,
        )?;
    }
    fs::remove_dir_all(&build)?;
    println!("sysroots built in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Where the sysroot of `target` is.
pub fn path(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.sysroots().join(target)
}

/// A compiler's argument that changes with the sysroot of `target`: cargo does not see that a library was built anew, and what
/// was compiled against the old one does not fit.
///
/// # Errors
/// There is no such sysroot.
pub fn fingerprint(workspace: &Workspace, target: &str) -> Result<String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let stamp = path(workspace, target).join("stamp");
    let mut hasher = DefaultHasher::new();
    fs::read(&stamp)
        .with_context(|| format!("cannot read {}", stamp.display()))?
        .hash(&mut hasher);
    Ok(format!("-Cmetadata={:016x}", hasher.finish()))
}

/// Whether the compiler and the sources are installed.
pub fn can_build() -> bool {
    Path::new(debian::RUST_SOURCE).is_dir() && Path::new(debian::CARGO).is_file()
}

/// What a sysroot depends on; it is built anew when this changes.
fn stamp() -> Result<String> {
    if !can_build() {
        bail!("Debian's rustc-web, cargo-web and rust-web-src are not installed");
    }
    let version = command::output(
        Command::new(debian::RUSTC)
            .arg("--version")
            .arg("--verbose"),
    )?;
    Ok(format!("{version}{RUSTFLAGS}\n{MANIFEST}"))
}

fn is_current(sysroot: &Path, stamp: &str) -> bool {
    fs::read_to_string(sysroot.join("stamp")).is_ok_and(|found| found == stamp)
}

/// Builds the libraries in `folder` and returns cargo's target folder.
fn build(folder: &Path, targets: &[&str]) -> Result<PathBuf> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
    let output = folder.join("target");
    let mut cargo = Command::new(debian::CARGO);
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--offline", "-Zbuild-std=core,alloc"])
        .arg("--config=source.crates-io.replace-with='rust-source'")
        .arg(format!(
            "--config=source.rust-source.directory='{}/vendor'",
            debian::RUST_SOURCE
        ))
        .env("RUSTC", debian::RUSTC)
        // Lets a stable compiler build its own library, and cargo take `-Z`; nothing else is built with it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_TARGET_DIR", &output);
    for target in targets {
        cargo.args(["--target", target]);
    }
    command::run(&mut cargo)?;
    Ok(output)
}

/// Copies the libraries from `built` to where the compiler looks below `sysroot`; the stamp comes last.
fn assemble(built: &Path, sysroot: &Path, target: &str, stamp: &str) -> Result<()> {
    let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
    if sysroot.exists() {
        fs::remove_dir_all(sysroot)?;
    }
    fs::create_dir_all(&libraries)?;
    for library in LIBRARIES {
        let file = find(built, library)
            .with_context(|| format!("the build for {target} left no {library}*.rlib"))?;
        let name = file.file_name().context("a library has a name")?;
        fs::copy(&file, libraries.join(name))?;
    }
    fs::write(sysroot.join("stamp"), stamp)?;
    Ok(())
}

/// The static library in `folder` whose name starts with `prefix`.
pub fn find(folder: &Path, prefix: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        (name.starts_with(prefix) && name.ends_with(".rlib")).then(|| entry.path())
    })
}
