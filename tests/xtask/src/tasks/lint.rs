// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask lint`: format, lints, documentation, licence headers.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::report::{self, Report};
use paravirt_build::arch::Arch;
use paravirt_build::clang_format;
use paravirt_build::command;
use paravirt_build::files;
use paravirt_build::guests;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::tools::{State, Tool};
use paravirt_build::workspace::Workspace;

/// Kinds of files that carry the licence in a comment at their top.
const LICENSED: [&str; 13] = [
    "rs", "toml", "h", "c", "cc", "cpp", "S", "ld", "md", "sh", "pc", "cmake", "yml",
];
/// How that comment begins. Which licence is the folder's choice: files made from RTEMS' templates have RTEMS' own.
const LICENCE: &str = "SPDX-License-Identifier: ";

/// Runs every lint. Returns whether all are clean.
pub fn run(workspace: &Workspace) -> Result<bool> {
    let mut report = Report::new(1, report::is_ci());
    report.step("lint");
    for tool in [Tool::RustLints, Tool::ClangFormat] {
        if let Err(error) = tool.probe(workspace) {
            report.tool(tool, State::Missing(format!("{error:#}")));
        }
    }
    all(workspace, &Package::all(workspace)?, &mut report);
    Ok(report.finish())
}

/// Kinds of files whose lines have a limit, and that, in characters.
const WRAPPED: [&str; 8] = ["rs", "h", "c", "cc", "cpp", "S", "ld", "md"];
const COLUMNS: usize = 120;

/// Runs every lint and counts each in `report`.
pub fn all(workspace: &Workspace, packages: &[Package], report: &mut Report) {
    report.check("licence headers", licence_headers(workspace));
    report.check("columns", columns(workspace));
    report.check("packages", packages_as_published(workspace));
    if report.has(Tool::RustLints, None, "format") {
        report.check(
            "format",
            command::run(
                command::cargo()
                    .current_dir(workspace.root())
                    .args(["fmt", "--all", "--check"]),
            ),
        );
    }
    if report.has(Tool::ClangFormat, None, "format of C") {
        report.check("format of C", format_of_c(workspace));
    }
    if report.has(Tool::RustLints, None, "clippy, workspace") {
        report.check("clippy, workspace", clippy_workspace(workspace));
    }
    for arch in Arch::KNOWN {
        let name = format!("clippy, guests for {}", arch.name());
        match Toolchain::find(workspace, arch) {
            Err(error) => {
                if report.has(Tool::RustSource, None, &name) {
                    report.check(&name, Err(error));
                }
            }
            Ok(toolchain) => {
                if toolchain.has_own_clippy() || report.has(Tool::RustLints, None, &name) {
                    report.check(&name, clippy_guests(workspace, packages, &toolchain, arch));
                }
            }
        }
    }
    report.check("documentation", documentation(workspace, packages));
}

/// Compares C and C++ with what the `.clang-format` above each file says.
fn format_of_c(workspace: &Workspace) -> Result<()> {
    let files = tracked(workspace, &["c", "h", "cc", "cpp", "hh"])?;
    let present = files.into_iter().filter(|file| workspace.root().join(file).exists());
    let mut clang_format = Command::new(clang_format::program(workspace)?);
    clang_format
        .current_dir(workspace.root())
        .args(["--dry-run", "--Werror", "--style=file"])
        .args(present);
    command::run(&mut clang_format).context("clang-format --style=file -i FILE writes them in their form")
}

/// Everything at once, guests included, as an editor checks a checkout that was just opened.
fn clippy_workspace(workspace: &Workspace) -> Result<()> {
    command::run(command::cargo().current_dir(workspace.root()).args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))
}

fn clippy_guests(workspace: &Workspace, packages: &[Package], toolchain: &Toolchain, arch: Arch) -> Result<()> {
    // One by one, as they are built: together, each would get the features that another asks for.
    let mut unclean = Vec::new();
    for package in packages {
        if !package.metadata.guest || !package.metadata.arch.contains(&arch) {
            continue;
        }
        let mut cargo = toolchain.cargo_clippy();
        cargo.args(["--quiet", "--profile=guest", "--package", &package.name]);
        guests::configure(&mut cargo, workspace, toolchain, arch);
        if command::run(cargo.args(["--", "-Dwarnings"])).is_err() {
            unclean.push(package.name.as_str());
        }
    }
    if !unclean.is_empty() {
        bail!("{}", unclean.join(", "));
    }
    Ok(())
}

fn documentation(workspace: &Workspace, packages: &[Package]) -> Result<()> {
    let cargo = || {
        let mut cargo = command::cargo();
        cargo
            .current_dir(workspace.root())
            .args(["doc", "--quiet", "--no-deps"])
            .env("RUSTDOCFLAGS", "-Dwarnings");
        cargo
    };
    let mut whole = cargo();
    without_guests(&mut whole, packages);
    command::run(&mut whole)?;
    // As its users see it, with what they can choose.
    command::run(cargo().args(["--package", GUEST_LAYER, "--all-features"]))
}

/// The package of the guest layer.
pub const GUEST_LAYER: &str = "paravirt-bsp";

/// Chooses every package that is an ordinary program or library.
pub fn without_guests(cargo: &mut Command, packages: &[Package]) {
    cargo.arg("--workspace");
    for package in packages.iter().filter(|package| package.metadata.guest) {
        cargo.args(["--exclude", &package.name]);
    }
}

fn licence_headers(workspace: &Workspace) -> Result<()> {
    let mut bare = Vec::new();
    for file in tracked(workspace, &LICENSED)? {
        let mut start = Vec::new();
        // A file that was deleted and not committed yet has no header to miss.
        if let Ok(content) = std::fs::File::open(workspace.root().join(&file)) {
            content.take(200).read_to_end(&mut start)?;
            if !String::from_utf8_lossy(&start).contains(LICENCE) {
                bare.push(file);
            }
        }
    }
    if !bare.is_empty() {
        bail!("without `{LICENCE}` at the top: {}", bare.join(", "));
    }
    Ok(())
}

/// Packs the crates that are published, and checks them with nothing around them but each other. Cargo's own check
/// would take a crate of the run before, which has the same version.
fn packages_as_published(workspace: &Workspace) -> Result<()> {
    let target = workspace.root().join("target");
    let (packed, folder) = (target.join("tmp/packed"), target.join("tmp/published"));
    files::remove_folder(&packed)?;
    files::remove_folder(&folder)?;
    let publish = [
        "publish",
        "--quiet",
        "--workspace",
        "--dry-run",
        "--no-verify",
        "--allow-dirty",
        "--target-dir",
    ];
    command::run(
        command::cargo()
            .current_dir(workspace.root())
            .args(publish)
            .arg(&packed),
    )?;
    std::fs::create_dir_all(&folder)?;
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"*-[0-9]*\"]\n[patch.crates-io]\n".to_owned();
    // Where cargo leaves them has changed.
    let found = command::output(Command::new("find").arg(&packed).args(["-name", "*.crate"]))?;
    let crates: BTreeMap<&str, &str> = (found.lines())
        .filter_map(|file| Some((Path::new(file).file_stem()?.to_str()?, file)))
        .collect();
    for (stem, file) in crates {
        let (name, _) = stem.rsplit_once('-').context("a packed crate has a version")?;
        // Their times are all the same, by which cargo would take what it built of others.
        command::run(Command::new("tar").args(["--touch", "-xzf", file, "-C"]).arg(&folder))?;
        manifest += &format!("{name} = {{ path = \"{stem}\" }}\n");
    }
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    std::fs::copy(workspace.root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut check = command::cargo();
    check.current_dir(&folder).env("CARGO_TARGET_DIR", target);
    command::run(check.args(["check", "--quiet", "--workspace"]))
}

/// Checks that no line is longer than the limit, but for rows of tables, literals, patterns of macros, and output that
/// documents show.
fn columns(workspace: &Workspace) -> Result<()> {
    let mut long = Vec::new();
    for file in tracked(workspace, &WRAPPED)? {
        let content = std::fs::read_to_string(workspace.root().join(&file)).unwrap_or_default();
        let mut is_shown = false;
        for (index, line) in content.lines().enumerate() {
            is_shown ^= file.ends_with(".md") && line.trim_start().starts_with("```");
            let is_row = line.trim_start_matches(['/', '!', ' ']).starts_with('|');
            if line.chars().count() > COLUMNS && !is_shown && !is_row && !line.contains(['"', '$', '`']) {
                long.push(format!("{file}:{}", index + 1));
            }
        }
    }
    if !long.is_empty() {
        bail!("longer than {COLUMNS} characters: {}", long.join(", "));
    }
    Ok(())
}

/// Files that git knows, of these kinds.
fn tracked(workspace: &Workspace, extensions: &[&str]) -> Result<Vec<String>> {
    let files = command::output(Command::new("git").current_dir(workspace.root()).args(["ls-files"]))?;
    let is_one = |file: &&str| {
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        extensions.contains(&extension)
    };
    Ok(files.lines().filter(is_one).map(str::to_owned).collect())
}
