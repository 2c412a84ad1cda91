// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo bench -p bench --bench hosts`: what the interface costs on each host, by one guest that reports the same
//! everywhere, and how long each backend is.
//!
//! The exit status is 0 unless something could not be measured; a host that is not installed is skipped.

mod costs;
mod line_counts;

use std::process::ExitCode;

use anyhow::Result;
use test_support::Arch;

fn main() -> ExitCode {
    match report() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints everything. Returns whether all could be measured.
fn report() -> Result<bool> {
    let mut complete = true;
    for arch in Arch::KNOWN {
        complete &= costs::print(arch)?;
    }
    line_counts::print()?;
    Ok(complete)
}
