// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask hosts`: the library for hosts in C, and the example of one.

use anyhow::Result;

use crate::arch::Arch;
use crate::c_host;
use crate::host_library;
use crate::workspace::Workspace;

/// Builds them for `arch`, or for all architectures if there is none, and says where they are.
///
/// # Errors
/// A compiler is missing, or a build fails.
pub fn run(workspace: &Workspace, arch: &[Arch]) -> Result<()> {
    let chosen = if arch.is_empty() { &Arch::ALL } else { arch };
    for &arch in chosen {
        let program = c_host::build(workspace, arch)?;
        let library = program.with_file_name(host_library::FILE);
        println!("{}", workspace.shorten(&library).display());
        println!("{}", workspace.shorten(&program).display());
    }
    Ok(())
}
