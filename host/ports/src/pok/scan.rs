// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be seen of a partition's image without POK.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use paravirt_build::command;

/// The backend carries its name into the image, and no instruction is left that a partition may not execute, but those
/// that the auditor knows to belong to a backend and those that the list `allow` explains.
///
/// # Errors
/// What `pvhost` found.
pub fn scan(pvhost: &Path, image: &Path, allow: Option<&Path>) -> Result<()> {
    let list = command::output(Command::new(pvhost).args(["list", "--json"]).arg(image))?;
    let list: serde_json::Value = serde_json::from_str(&list).context("pvhost's list is not JSON")?;
    let backends = &list["backends"];
    ensure!(
        backends
            .as_array()
            .is_some_and(|backends| backends.iter().any(|backend| backend == "pok")),
        "{} has the backends {backends}, not pok",
        image.display()
    );
    let mut audit = Command::new(pvhost);
    audit.arg("audit").arg(image);
    if let Some(allow) = allow {
        audit.arg("--allow").arg(allow);
    }
    let output = audit
        .output()
        .with_context(|| format!("cannot start {}", command::name(&audit)))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
