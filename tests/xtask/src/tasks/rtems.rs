// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask rtems`: an RTEMS 6 application on this layer, from a user's RTEMS to its output.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::command;
use crate::hosts;
use crate::rtems::build::{self, Request};
use crate::rtems::folders::Folders;
use crate::rtems::location::{Location, WHAT_TO_INSTALL};
use crate::workspace::Workspace;

/// The samples that show a working BSP, and what each must print.
const SAMPLES: [(&str, &str); 2] = [
    ("hello", "*** END OF TEST HELLO WORLD ***"),
    ("ticker", "*** END OF TEST CLOCK TICK ***"),
];
/// The group of [`SAMPLES`].
const GROUP: &str = "samples";
/// Time after which a sample is stopped; ticker takes 35 s.
const LIMIT: Duration = Duration::from_secs(90);

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder that RTEMS' tools were installed to
    #[arg(long, value_name = "DIR", env = "RTEMS_PREFIX")]
    prefix: Option<PathBuf>,
    /// RTEMS' source tree, which stays as it is
    #[arg(long, value_name = "DIR", env = "RTEMS_SOURCE")]
    source: Option<PathBuf>,
    /// Further folders with RTEMS build items, for example to leave out what a C-only toolchain cannot build
    #[arg(long, value_name = "DIR", env = "RTEMS_SPECS", value_delimiter = ',')]
    specs: Vec<PathBuf>,
    /// Build only
    #[arg(long)]
    no_run: bool,
    /// Compilers or guests at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// Builds and runs.
///
/// # Errors
/// RTEMS is not here, something does not build, or a sample does not print what it should.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let location = Location::find(arguments.prefix.as_deref(), arguments.source.as_deref())?;
    let Some(location) = location else {
        eprintln!("{WHAT_TO_INSTALL}");
        return Ok(false);
    };
    build::build(
        workspace,
        &Request {
            location: &location,
            specs: &arguments.specs,
            groups: &[GROUP.to_owned()],
            jobs: arguments.jobs,
        },
    )?;
    if arguments.no_run {
        return Ok(true);
    }
    println!("building the host, pvhost");
    let pvhost = hosts::build(workspace, hosts::PVHOST)?;
    let programs = Folders::new(workspace).programs();
    for (name, end) in SAMPLES {
        let program = programs.join(GROUP).join(format!("{name}.exe"));
        println!("\n$ pvhost run {}", program.display());
        let mut sample = Command::new(&pvhost);
        sample.arg("run").arg(&program);
        let mut ended = false;
        let status = command::lines(&mut command::limited(&sample, LIMIT), |line| {
            println!("{line}");
            ended |= line.trim_end() == end;
        })?;
        ensure!(ended, "{name} did not end with {end:?} ({status})");
        ensure!(status.success(), "{name} ended with {status}");
    }
    println!("\nrtems: ok");
    Ok(true)
}
