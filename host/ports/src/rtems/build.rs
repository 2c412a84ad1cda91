// SPDX-License-Identifier: MIT OR Apache-2.0
//! From sources to programs: the Rust library, then the BSP and RTEMS' own programs.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::bsp::Bsp;
use super::folders::Folders;
use super::group::Group;
use super::lacking;
use super::location::{Location, TRIED, VERSION_FILE};
use super::sources::{self, WORKSPACE};
use super::waf::{Unbuilt, Waf};
use paravirt_build::files;
use paravirt_build::static_library;
use paravirt_build::workspace::Workspace;

/// Builds BSP and `groups` of RTEMS' programs with `jobs` compilers at a time, and installs, saying each step; `specs`
/// are further folders with build items, after ours. Returns the programs that do not build.
///
/// # Errors
/// A step fails; its messages are on the terminal.
pub fn build(
    workspace: &Workspace,
    location: &Location,
    specs: &[PathBuf],
    groups: &[Group],
    jobs: usize,
) -> Result<Vec<Unbuilt>> {
    let bsp = location.bsp;
    let name = bsp.name();
    let folders = Folders::new(workspace, bsp);
    fs::create_dir_all(&folders.root)?;
    let _lock = files::lock(&folders.root.join(".lock"))?;

    let version = location.version;
    if !TRIED.contains(&version) {
        println!("note: RTEMS {version} is not one with which this layer was tried");
    }
    println!("building the Rust part, {}", static_library::RTEMS.file);
    let library = static_library::build(
        workspace,
        bsp.arch(),
        static_library::RTEMS,
        &workspace.rtems_library(bsp.arch()),
    )?;

    println!(
        "linking RTEMS' sources and ours into {}",
        workspace.shorten(&folders.source).display()
    );
    sources::link(&location.source, workspace.root(), &folders.source)?;
    if let Some(version) = location.version_file()? {
        files::write_if_changed(&folders.source.join(VERSION_FILE), version.as_bytes())?;
    }
    sources::generate_items(
        &workspace.root().join("ffi/rtems/spec"),
        &folders.spec,
        &[
            ("@PARAVIRT@", &format!("{WORKSPACE}/ffi")),
            ("@LIBRARY@", &format!("{WORKSPACE}/target/rtems/library/{}", bsp.arch())),
        ],
    )?;
    let config = configuration(bsp, groups);
    files::write_if_changed(&folders.config, config.as_bytes())?;

    let waf = Waf::new(&folders);
    let users = specs.iter().map(|spec| files::absolute("folder", spec));
    let specs = [Ok(folders.spec.clone())].into_iter().chain(users);
    let specs = specs.collect::<Result<Vec<_>>>()?;
    let lacking = lacking::find(location);
    lacking::stand_in(&folders.lacking, location, &lacking)?;
    let stamp = stamp(&specs, &config, location, &lacking)?;
    let stamp_file = folders.root.join("configured");
    if folders.build.join("c4che").is_dir() && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        println!("{name} is configured");
    } else {
        println!("configuring {name}");
        waf.configure(location, &folders.lacking, &specs)?;
        files::write_if_changed(&stamp_file, stamp.as_bytes())?;
    }

    let linked = linked(workspace, bsp, &library)?;
    let linked_file = folders.root.join("linked");
    if fs::read_to_string(&linked_file).is_ok_and(|old| old != linked) {
        println!("the Rust part or linkcmds changed: programs are linked again");
        remove_programs(&folders.programs)?;
    }
    files::write_if_changed(&linked_file, linked.as_bytes())?;

    let names: Vec<String> = groups.iter().map(|group| group.name()).collect();
    println!(
        "building {name} and {} (the first time takes minutes)",
        names.join(", ")
    );
    let unbuilt = waf.build(jobs, &lacking)?;
    for program in &unbuilt {
        println!("{program}");
    }
    println!("installing to {}", workspace.shorten(&folders.install).display());
    waf.install(&unbuilt, &lacking)?;
    Ok(unbuilt)
}

/// The configuration of the BSP.
fn configuration(bsp: Bsp, groups: &[Group]) -> String {
    let mut text = format!("[{}]\nRTEMS_PARAVIRT = True\n", bsp.name());
    for group in groups {
        text.push_str(&format!("{} = True\n", group.option()));
    }
    text
}

/// What a configured build folder depends on.
fn stamp(specs: &[PathBuf], config: &str, location: &Location, lacking: &[String]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    lacking.hash(&mut hasher);
    for spec in specs {
        hash_folder(spec, &mut hasher)?;
    }
    Ok(format!(
        "{}\n{}\n{}\n{config}{:016x}\n",
        location.prefix.display(),
        location.source.display(),
        location.version,
        hasher.finish()
    ))
}

/// What programs are linked with and waf does not watch.
fn linked(workspace: &Workspace, bsp: Bsp, library: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    fs::read(library)?.hash(&mut hasher);
    hash_folder(&workspace.linkcmds(), &mut hasher)?;
    for part in ["shared", bsp.arch().name()] {
        hash_folder(
            &workspace.root().join("ffi/rtems/bsp").join(part).join("start"),
            &mut hasher,
        )?;
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

fn hash_folder(folder: &Path, hasher: &mut impl Hasher) -> Result<()> {
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        entry.path().hash(hasher);
        if !entry.file_type().is_dir() {
            fs::read(entry.path())?.hash(hasher);
        }
    }
    Ok(())
}

/// Removes every program below `folder`, which need not be there; waf links those that are missing.
fn remove_programs(folder: &Path) -> Result<()> {
    for entry in WalkDir::new(folder).into_iter().flatten() {
        // Finished ones, and those of which a table of symbols is made that the finished one has, for RTEMS' dynamic
        // loader.
        let is_program = entry.path().extension().is_some_and(|end| end == "exe" || end == "pre");
        if is_program && !entry.file_type().is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_each_group() {
        assert_eq!(
            configuration(Bsp::I386, &[Group::Samples, Group::Sptests, Group::Unit]),
            "[i386/paravirt]\nRTEMS_PARAVIRT = True\nBUILD_SAMPLES = True\nBUILD_SPTESTS = True\n\
             BUILD_UNITTESTS = True\n"
        );
    }
}
