// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask dist`: a release of pvhost as one archive, for any x86-64 Linux.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand, Package, PackageId};

use paravirt_build::command;
use paravirt_build::files;
use paravirt_build::hosts;
use paravirt_build::workspace::Workspace;

use crate::tasks::install;

/// Names of files with licences begin so.
const LICENCES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE", "NOTICE"];

/// Where systems keep the licence of their C library.
const LICENCES_OF_GLIBC: [&str; 2] = [
    "/usr/share/common-licenses/LGPL-2.1",
    "/usr/share/licenses/glibc/COPYING.LIB",
];

/// Builds the archive and says where it is.
///
/// # Errors
/// Something does not build, or cannot be linked statically, or a file cannot be written.
pub fn run(workspace: &Workspace) -> Result<()> {
    ensure!(
        hosts::has_static_c_library(),
        "the C compiler has no libc.a, which a program without shared libraries is made of: \
         install libc6-dev (Debian, Ubuntu) or glibc-static (Fedora)"
    );
    let folder = workspace.target("dist");
    let name = format!("{}-{}-x86_64-linux", hosts::PVHOST, env!("CARGO_PKG_VERSION"));
    let content = folder.join(&name);
    // Of other versions, too: whoever unpacks names no version.
    files::remove_folder(&folder)?;
    install::program(workspace, &content)?;
    command::run(Command::new("strip").arg(content.join("bin").join(hosts::PVHOST)))?;
    let licences = content.join("share/licenses/pvhost/THIRD-PARTY");
    fs::write(&licences, third_party(workspace)?)?;
    println!("{}", licences.display());
    let archive = folder.join(format!("{name}.tar.gz"));
    pack(&folder, &name, &archive)?;
    println!("{}", archive.display());
    Ok(())
}

/// Packs the folder `name`. The same content gives the same archive: files are in order, nobody's, and of one time,
/// which SOURCE_DATE_EPOCH names, as everywhere.
fn pack(folder: &Path, name: &str, archive: &Path) -> Result<()> {
    let time = env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| "0".to_owned());
    command::run(
        Command::new("tar")
            .arg("--directory")
            .arg(folder)
            .args([
                "--format=ustar",
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
            ])
            .args([
                "--mode=u=rwX,go=rX",
                &format!("--mtime=@{time}"),
                "--use-compress-program=gzip -9n",
                "--create",
                "--file",
            ])
            .arg(archive)
            .arg(name),
    )
}

/// The licences of what the program is made of beside this workspace: each text once, with the packages that it is for.
fn third_party(workspace: &Workspace) -> Result<String> {
    let mut text = String::from(
        "pvhost is linked with these packages, under their licences. It also contains Rust's standard library (MIT OR\n\
         Apache-2.0, The Rust Project Contributors), and the GNU C Library (LGPL-2.1-or-later, Free Software\n\
         Foundation and others; https://www.gnu.org/software/libc). To link it with another one: `cargo xtask dist`, in\n\
         pvhost's sources.\n\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let licence = (LICENCES_OF_GLIBC.iter().find_map(|path| fs::read_to_string(path).ok()))
        .with_context(|| format!("the C library's licence is in none of {}", LICENCES_OF_GLIBC.join(", ")))?;
    texts.insert(licence, vec!["the GNU C Library".to_owned()]);
    for package in linked(workspace)? {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().context("a package without a licence")?;
        writeln!(
            text,
            "{name}: {licence}; {}",
            package.repository.as_deref().unwrap_or("-")
        )?;
        let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
        let mut found = false;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().to_uppercase();
            if LICENCES.iter().any(|begin| file.starts_with(begin)) && entry.file_type()?.is_file() {
                let users = texts.entry(fs::read_to_string(entry.path())?).or_default();
                users.push(name.clone());
                found = true;
            }
        }
        if !found {
            writeln!(text, "    (brings no text)")?;
        }
    }
    for (licence, users) in texts {
        write!(
            text,
            "\n{}\n{}:\n\n{}\n",
            "-".repeat(80),
            users.join(", "),
            licence.trim_end()
        )?;
    }
    Ok(text)
}

/// The packages from elsewhere whose code is in pvhost, or has made some of it.
fn linked(workspace: &Workspace) -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace.root())
        .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
        .exec()
        .context("cannot read the workspace's manifests")?;
    let resolve = metadata.resolve.context("cargo resolves no dependencies")?;
    let root = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == hosts::PVHOST);
    let mut open = vec![root.context("there is no package pvhost")?.id.clone()];
    let mut seen: BTreeSet<PackageId> = open.iter().cloned().collect();
    while let Some(id) = open.pop() {
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == id)
            .context("a package is resolved")?;
        for dependency in &node.deps {
            let is_linked = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if is_linked && seen.insert(dependency.pkg.clone()) {
                open.push(dependency.pkg.clone());
            }
        }
    }
    let mut packages = metadata.packages;
    packages.retain(|package| package.source.is_some() && seen.contains(&package.id));
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}
