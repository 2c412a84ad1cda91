// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask hosts`: the library for hosts in C, and the example of one.

use anyhow::Result;

use paravirt_build::arch::Arch;
use paravirt_build::c_host;
use paravirt_build::static_library;
use paravirt_build::workspace::Workspace;

/// Builds them for `arch`, or for all architectures if there is none, and says where they are.
///
/// # Errors
/// A compiler is missing, or a build fails.
pub fn run(workspace: &Workspace, arch: &[Arch]) -> Result<()> {
    let chosen = if arch.is_empty() { &Arch::ALL } else { arch };
    for &arch in chosen {
        let program = c_host::build(workspace, arch)?;
        let library = program.with_file_name(static_library::HOST.file);
        println!("{}", workspace.shorten(&library).display());
        println!("{}", workspace.shorten(&program).display());
    }
    Ok(())
}
