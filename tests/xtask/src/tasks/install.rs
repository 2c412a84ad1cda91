// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask install`: what a C program for i386 is built against, without this checkout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use paravirt_build::arch::Arch;
use paravirt_build::files::write_if_changed;
use paravirt_build::static_library;
use paravirt_build::workspace::Workspace;

/// The pkg-config file. Its paths start from where it is, so that the folder can be moved.
const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
libdir=${prefix}/lib/paravirt/i386
linkcmdsdir=${prefix}/share/paravirt/linkcmds

Name: paravirt
Description: Paravirtualization layer for RTEMS: C API, and its body for i386
Version: @VERSION@
Cflags: -I${prefix}/include
Libs: -L${libdir} -L${linkcmdsdir} -lrtemsparavirt -lgcc
";

/// Installs below `prefix`, and says where.
///
/// # Errors
/// The library does not build, or a file cannot be written.
pub fn run(workspace: &Workspace, prefix: &Path) -> Result<()> {
    let library = static_library::build(
        workspace,
        Arch::I386,
        static_library::RTEMS,
        &prefix.join("lib/paravirt/i386"),
    )?;
    println!("{}", library.display());
    copy(&workspace.root().join("ffi/include"), &prefix.join("include"))?;
    copy(&workspace.linkcmds(), &prefix.join("share/paravirt/linkcmds"))?;
    let description = prefix.join("lib/pkgconfig/paravirt.pc");
    let text = PKG_CONFIG.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    write_if_changed(&description, text.as_bytes())?;
    println!("{}", description.display());
    Ok(())
}

/// Copies a folder and names each file.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            write_if_changed(&target, &fs::read(entry.path())?)?;
            println!("{}", target.display());
        }
    }
    Ok(())
}
