// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo bench -p bench [-- SECTION..]`: measures what the guest layer and its process host cost and prints one table.
//!
//! The exit status is 0 unless something could not be measured, or a count of instructions or bytes is over its limit.
//! A time that is over its limit is said loudly: what else the machine does is part of it.

mod bind;
mod boot;
mod emulated;
mod linux;
mod machine;
mod paths;
mod start;
mod upcall;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use bench::size;
use bench::table::{self, Row};
use paravirt_build::hosts;
use test_support::{Arch, workspace};

/// What the sections share.
struct Setup {
    /// A folder for baselines; gone at the end.
    scratch: tempfile::TempDir,
    /// The host with the functions of the benchmark guests.
    host: PathBuf,
}

/// The package of the host, and its program.
const HOST: &str = "bench-host";

type Section = fn(&Setup, Arch) -> Result<Vec<Row>>;
const SECTIONS: [(&str, Section); 6] = [
    ("paths", paths::rows),
    ("bind", bind::rows),
    ("upcall", upcall::rows),
    ("start", start::rows),
    ("size", |_, arch| size::rows(arch)),
    ("boot", boot::rows),
];

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    match run(&wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the sections in `wanted`, or all; whether everything could be measured, and every count is within its
/// limit.
fn run(wanted: &[String]) -> Result<bool> {
    let setup = Setup {
        scratch: tempfile::tempdir()?,
        host: hosts::build(&workspace(), HOST)?,
    };
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for (name, section) in SECTIONS {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        for arch in Arch::KNOWN {
            eprintln!("measuring {name}, {arch}");
            match section(&setup, arch) {
                Ok(more) => rows.extend(more),
                Err(error) => failures.push(format!("{name}, {arch}: {error:#}")),
            }
        }
    }
    println!("\nProcessor: {}\n", machine::processor());
    print!("{}", table::render(&rows));
    let judged = rows.iter().filter_map(Row::is_kept);
    println!(
        "\n{} limits, {} kept",
        judged.clone().count(),
        judged.filter(|kept| *kept).count()
    );
    let over: Vec<&Row> = rows.iter().filter(|row| row.is_kept() == Some(false)).collect();
    for row in &over {
        println!("OVER THE LIMIT: {}", row.what);
    }
    for failure in &failures {
        println!("failed: {failure}");
    }
    Ok(failures.is_empty() && !over.iter().any(|row| row.value.is_count()))
}
