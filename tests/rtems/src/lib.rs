// SPDX-License-Identifier: MIT OR Apache-2.0
//! What RTEMS and the Rust part of its BSP ask of each other, as tables, and readers for what was built.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

pub mod archive;
pub mod contract;
pub mod installed;
pub mod long;
pub mod prototypes;
pub mod run;

use std::path::{Path, PathBuf};

/// A file of this package.
#[must_use]
pub fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
