// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a program of RTEMS in QEMU or under Xen, for the tests: a guest's console there is that of a whole process.
//!
//! Usage: `rtems-emulate qemu|xen-pvh|xen-domu FILE [CORE SECONDS]`; the exit status is that of `pvhost run`, with a core and a time
//! limit.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use pvhost::debug::core::CoreFile;
use pvhost::emulator::{self, DEFAULT_MEMORY, Options, VirtualMachine};
use pvhost::image::Image;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (platform, file, core) = match &arguments[..] {
        [platform, file] => (platform, file, None),
        [platform, file, core, seconds] => (platform, file, Some((core, seconds.parse()?))),
        _ => return Err("usage: rtems-emulate qemu|xen-pvh|xen-domu FILE [CORE SECONDS]".into()),
    };
    let platform = [VirtualMachine::Bare, VirtualMachine::XenPvh, VirtualMachine::XenDomu]
        .into_iter()
        .find(|known| known.name() == platform)
        .ok_or("no such platform")?;
    let file = Path::new(file);
    let options = Options {
        platform,
        memory: DEFAULT_MEMORY,
        command_line: String::new(),
        timeout: Some(Duration::from_secs(core.map_or(90, |(_, seconds)| seconds))),
        icount: false,
        gic: emulator::Gic::default(),
        verbose: false,
        xen: None,
        debugger: None,
    };
    let image = Image::open(file)?;
    let core = core.map(|(core, _)| CoreFile::create(core, &image)).transpose()?;
    let finished = emulator::run(&image, &options, core)?;
    finished.core.transpose()?;
    Ok(ExitCode::from(finished.exit.status()))
}
