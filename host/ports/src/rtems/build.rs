// SPDX-License-Identifier: MIT OR Apache-2.0
//! From sources to programs: the Rust library, then the BSP and RTEMS' own programs.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::folders::{BSP, Folders};
use super::group::Group;
use super::lacking;
use super::location::Location;
use super::spec;
use super::tree::{self, WORKSPACE};
use super::unbuilt::Unbuilt;
use super::version;
use super::waf::Waf;
use paravirt_build::arch::Arch;
use paravirt_build::files;
use paravirt_build::static_library;
use paravirt_build::workspace::Workspace;

/// What to build.
#[derive(Debug)]
pub struct Request<'a> {
    /// RTEMS.
    pub location: &'a Location,
    /// Further folders with build items, after ours.
    pub specs: &'a [PathBuf],
    /// Groups of RTEMS' programs.
    pub groups: &'a [Group],
    /// Compilers at a time.
    pub jobs: usize,
}

/// Builds and installs, saying each step. The programs that do not build.
///
/// # Errors
/// A step fails; its messages are on the terminal.
pub fn build(workspace: &Workspace, request: &Request<'_>) -> Result<Vec<Unbuilt>> {
    let folders = Folders::new(workspace);
    fs::create_dir_all(folders.root())?;
    let lock = fs::File::create(folders.root().join(".lock"))?;
    lock.lock().context("cannot lock the RTEMS build")?;

    let version = request.location.version;
    if !version.is_tried() {
        println!("note: {version} is not one with which this layer was tried");
    }
    println!("building the Rust part, {}", static_library::RTEMS.file);
    let library = static_library::build(workspace, Arch::I386, static_library::RTEMS, &workspace.rtems_library())?;

    println!(
        "linking RTEMS' sources and ours into {}",
        workspace.shorten(&folders.source()).display()
    );
    tree::link(&request.location.source, workspace.root(), &folders.source())?;
    if let Some(version) = version::describe(&request.location.source, version)? {
        files::write_if_changed(&folders.source().join(version::FILE), version.as_bytes())?;
    }
    let ours = workspace.root().join("ffi");
    spec::generate(
        &ours.join("rtems/spec"),
        &folders.spec(),
        &[
            ("@PARAVIRT@", &format!("{WORKSPACE}/ffi")),
            ("@LIBRARY@", &format!("{WORKSPACE}/target/rtems/library")),
        ],
    )?;
    let config = configuration(request.groups);
    files::write_if_changed(&folders.config(), config.as_bytes())?;

    let waf = Waf::new(&folders);
    let mut specs = vec![folders.spec()];
    for spec in request.specs {
        let spec = spec
            .canonicalize()
            .with_context(|| format!("there is no folder {}", spec.display()))?;
        specs.push(spec);
    }
    let lacking = lacking::find(request.location);
    lacking::stand_in(&folders.lacking(), request.location, &lacking)?;
    let stamp = stamp(&specs, &config, request.location, &lacking)?;
    let stamp_file = folders.root().join("configured");
    if waf.is_configured() && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        println!("{BSP} is configured");
    } else {
        println!("configuring {BSP}");
        waf.configure(request.location, &folders.lacking(), &specs)?;
        files::write_if_changed(&stamp_file, stamp.as_bytes())?;
    }

    let linked = linked(workspace, &library)?;
    let linked_file = folders.root().join("linked");
    if fs::read_to_string(&linked_file).is_ok_and(|old| old != linked) {
        println!("the Rust part or linkcmds changed: programs are linked again");
        remove_programs(&folders.programs())?;
    }
    files::write_if_changed(&linked_file, linked.as_bytes())?;

    let names: Vec<&str> = request.groups.iter().map(|group| group.name()).collect();
    println!("building {BSP} and {} (the first time takes minutes)", names.join(", "));
    let unbuilt = waf.build(request.jobs, &lacking)?;
    for program in &unbuilt {
        println!("{program}");
    }
    println!("installing to {}", workspace.shorten(&folders.install()).display());
    waf.install(&unbuilt, &lacking)?;
    Ok(unbuilt)
}

/// The configuration of the BSP.
fn configuration(groups: &[Group]) -> String {
    let mut text = format!("[{BSP}]\nRTEMS_PARAVIRT = True\n");
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
fn linked(workspace: &Workspace, library: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    fs::read(library)?.hash(&mut hasher);
    hash_folder(&workspace.linkcmds(), &mut hasher)?;
    hash_folder(&workspace.root().join("ffi/rtems/bsp/start"), &mut hasher)?;
    Ok(format!("{:016x}\n", hasher.finish()))
}

fn hash_folder(folder: &Path, hasher: &mut impl Hasher) -> Result<()> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        path.hash(hasher);
        if path.is_dir() {
            hash_folder(&path, hasher)?;
        } else {
            fs::read(&path)?.hash(hasher);
        }
    }
    Ok(())
}

/// Ends of the names of programs: finished ones, and those of which a table of symbols is made that the finished one
/// has, for RTEMS' dynamic loader.
const PROGRAMS: [&str; 2] = ["exe", "pre"];

/// Removes every program below `folder`; waf links those that are missing.
fn remove_programs(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            remove_programs(&path)?;
        } else if path
            .extension()
            .is_some_and(|extension| PROGRAMS.iter().any(|program| extension == *program))
        {
            fs::remove_file(&path)?;
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
            configuration(&[Group::Samples, Group::Sptests, Group::Unit]),
            "[i386/paravirt]\nRTEMS_PARAVIRT = True\nBUILD_SAMPLES = True\nBUILD_SPTESTS = True\n\
             BUILD_UNITTESTS = True\n"
        );
    }
}
