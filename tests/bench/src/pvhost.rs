// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `pvhost`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The program as `cargo xtask` builds it: optimized and statically linked.
///
/// # Errors
/// It does not build.
pub fn build() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    // target/release/deps/NAME-0123
    let target = this
        .ancestors()
        .nth(3)
        .context("this program is below the target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--quiet", "--release"])
        .args(["--package", "pvhost", "--bin", "pvhost"])
        .arg("--target-dir")
        .arg(target)
        .args(["--", "-Ctarget-feature=+crt-static"])
        .status()?;
    ensure!(status.success(), "pvhost does not build");
    let program = target.join("release/pvhost");
    ensure!(program.is_file(), "no program at {}", program.display());
    Ok(program)
}
