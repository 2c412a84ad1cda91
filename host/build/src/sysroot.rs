// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sysroots with `core`, `alloc` and `compiler_builtins` for targets that a compiler brings no library for.
//!
//! Built once by cargo's build-std from the sources that belong to the compiler. Debian's hold the crates they depend
//! on too, so nothing is downloaded; those of `rustup component add rust-src` may need the registry. After that a guest
//! is a plain build with `--sysroot`, on a stable compiler.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::command;
use crate::files;
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

/// Flags for the libraries, separated by 0x1f. Guests link them with LTO, which needs bitcode, and cargo would leave it
/// out; and x86-64 guests run in ring 0, where interrupts are pushed over a red zone (the other targets have none).
const RUSTFLAGS: &str = "-Cembed-bitcode=yes\x1f-Cno-redzone";

/// The file in a sysroot that names its compiler.
const RUSTC: &str = "rustc";

/// The oldest compiler that builds this workspace.
const OLDEST: (u32, u32) = (1, 90);

/// A compiler with the sources of its library.
#[derive(Clone, Debug)]
pub struct Source {
    /// The compiler.
    pub rustc: OsString,
    /// Its cargo.
    pub cargo: OsString,
    /// Its `cargo clippy`. Debian's is started by path: cargo would find the one of another toolchain first.
    pub clippy: Option<PathBuf>,
    /// The folder `library` of the sources.
    library: PathBuf,
    /// What the compiler says of its version.
    version: String,
}

/// Finds a compiler with complete sources of its version: the active one, else Debian's package.
///
/// # Errors
/// Why none will do.
pub fn source() -> Result<Source> {
    first(Ok)
}

/// What the first compiler comes to for which `attempt` succeeds.
fn first(mut attempt: impl FnMut(Source) -> Result<Source>) -> Result<Source> {
    let mut problems = Vec::new();
    for source in sources() {
        match source.and_then(&mut attempt) {
            Ok(source) => return Ok(source),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    bail!("{}", problems.join("; "))
}

/// The compilers in the order in which they are taken, each if its sources are sound.
fn sources() -> impl Iterator<Item = Result<Source>> {
    let active = || {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Source::of(rustc, command::cargo().get_program().to_owned(), None).context("the active Rust toolchain")
    };
    let debian = || {
        let source = Source::of(
            "/usr/bin/rustc".into(),
            "/usr/bin/cargo".into(),
            Some("/usr/bin/cargo-clippy".into()),
        )
        .context("Debian's Rust compiler")?;
        // Old packages lack it, and a newer one mends that, which a look into the registry would not.
        ensure!(
            source.vendor().is_some(),
            "Debian's Rust compiler: its sources in {} lack the folder vendor",
            source.library.display()
        );
        Ok(source)
    };
    [active as fn() -> Result<Source>, debian]
        .into_iter()
        .map(|source| source())
}

impl Source {
    fn of(rustc: OsString, cargo: OsString, clippy: Option<PathBuf>) -> Result<Self> {
        let version = command::output(Command::new(&rustc).args(["--version", "--verbose"]))?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .context("it says no release")?;
        ensure!(
            numbers(release) >= Some(OLDEST),
            "it is {release}, older than {}.{}",
            OLDEST.0,
            OLDEST.1
        );
        let sysroot = command::output(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        for file in ["Cargo.lock", "core/src/lib.rs", "alloc/src/lib.rs"] {
            ensure!(
                library.join(file).is_file(),
                "it has no sources of its library ({} is missing)",
                library.join(file).display()
            );
        }
        // Where the sources say their version at all.
        if let Some(written) = release_notes(&library) {
            ensure!(
                numbers(&written) == numbers(release),
                "its sources in {} are of version {written}, and it is {release}",
                library.display()
            );
        }
        Ok(Self {
            rustc,
            cargo,
            clippy,
            library,
            version,
        })
    }

    /// The crates that the library depends on, where the sources hold them.
    fn vendor(&self) -> Option<PathBuf> {
        Some(self.library.join("vendor")).filter(|folder| folder.is_dir())
    }

    /// What a sysroot depends on; it is built anew when this changes.
    fn stamp(&self) -> String {
        let rustc = self.rustc.display();
        format!("{rustc}\n{}{RUSTFLAGS}\n{MANIFEST}", self.version)
    }
}

/// The newest version that the release notes beside the sources name.
fn release_notes(library: &Path) -> Option<String> {
    let notes = fs::read_to_string(library.with_file_name("RELEASES.md")).ok()?;
    let version = notes.lines().find_map(|line| line.strip_prefix("Version "))?;
    version.split_whitespace().next().map(str::to_owned)
}

/// Major and minor version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Makes sure that every one of `targets` has an up-to-date sysroot, see [`path`]: from the first compiler that can
/// build them. That compiler.
///
/// # Errors
/// No compiler has sound sources, or what went wrong with each build.
pub fn ensure(workspace: &Workspace, targets: &[&str]) -> Result<Source> {
    fs::create_dir_all(workspace.sysroots())?;
    // The second of two task runners finds the work done.
    let _lock = files::lock(&workspace.sysroots().join(".lock"))?;
    first(|source| {
        ensure_from(&source, workspace, targets)
            .inspect_err(|problem| println!("passing over {}: {problem:#}", source.rustc.display()))?;
        Ok(source)
    })
}

fn ensure_from(source: &Source, workspace: &Workspace, targets: &[&str]) -> Result<()> {
    let stamp = source.stamp();
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
    let build = build(source, &workspace.sysroots().join("build"), &stale)?;
    for target in stale {
        let built = build.join(target).join("release/deps");
        assemble(&built, &path(workspace, target), target, source)?;
    }
    fs::remove_dir_all(&build)?;
    println!("sysroots built in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The compiler that a sysroot belongs to.
///
/// # Errors
/// The sysroot was not built.
pub fn rustc(sysroot: &Path) -> Result<PathBuf> {
    let file = sysroot.join(RUSTC);
    let path = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(PathBuf::from(path))
}

/// Where the sysroot of `target` is.
pub fn path(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.sysroots().join(target)
}

/// A compiler's argument that changes with the sysroot of `target`: cargo does not see that a library was built anew,
/// and what was compiled against the old one does not fit.
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

fn is_current(sysroot: &Path, stamp: &str) -> bool {
    fs::read_to_string(sysroot.join("stamp")).is_ok_and(|found| found == stamp)
}

/// Builds the libraries in `folder` and returns cargo's target folder.
fn build(source: &Source, folder: &Path, targets: &[&str]) -> Result<PathBuf> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
    let output = folder.join("target");
    let mut cargo = Command::new(&source.cargo);
    cargo
        .current_dir(folder)
        .args(["build", "--quiet", "--release", "-Zbuild-std=core,alloc"])
        .env("RUSTC", &source.rustc)
        // Lets a stable compiler build its own library, and cargo take `-Z`; nothing else is built with it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_TARGET_DIR", &output);
    if let Some(vendor) = source.vendor() {
        cargo
            .arg("--offline")
            .arg("--config=source.crates-io.replace-with='rust-source'")
            .arg(format!("--config=source.rust-source.directory='{}'", vendor.display()));
    }
    for target in targets {
        cargo.args(["--target", target]);
    }
    // Its messages belong to the error: another compiler may do.
    command::output(&mut cargo)?;
    Ok(output)
}

/// Copies the libraries from `built` to where the compiler looks below `sysroot`; the stamp comes last.
fn assemble(built: &Path, sysroot: &Path, target: &str, source: &Source) -> Result<()> {
    let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
    files::remove_folder(sysroot)?;
    fs::create_dir_all(&libraries)?;
    for library in LIBRARIES {
        let file = find(built, library).with_context(|| format!("the build for {target} left no {library}*.rlib"))?;
        let name = file.file_name().context("a library has a name")?;
        fs::copy(&file, libraries.join(name))?;
    }
    fs::write(sysroot.join(RUSTC), source.rustc.as_encoded_bytes())?;
    fs::write(sysroot.join("stamp"), source.stamp())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("1.96.0"), Some((1, 96)));
        assert!(numbers("1.100.0-nightly") > Some(OLDEST));
        assert!(numbers("1.85.0") < Some(OLDEST));
    }

    #[test]
    fn a_compiler_that_is_not_there_is_named() {
        let error = Source::of("/no/such/rustc".into(), "cargo".into(), None).expect_err("not there");
        assert!(format!("{error:#}").contains("rustc"), "{error:#}");
    }
}
