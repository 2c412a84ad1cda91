// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a program of RTEMS in QEMU or under Xen, for the tests: a guest's console there is that of a whole process.
//!
//! Usage: `rtems-emulate qemu|xen-pvh FILE`; the exit status is that of `pvhost run`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use pvhost::emulator::{self, DEFAULT_MEMORY, Options, VirtualMachine};
use pvhost::image::Image;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [platform, file] = &arguments[..] else {
        return Err("usage: rtems-emulate qemu|xen-pvh FILE".into());
    };
    let platform = [VirtualMachine::Bare, VirtualMachine::XenPvh]
        .into_iter()
        .find(|known| known.name() == platform)
        .ok_or("no such platform")?;
    let file = Path::new(file);
    let options = Options {
        platform,
        memory: DEFAULT_MEMORY,
        command_line: String::new(),
        timeout: Some(Duration::from_secs(90)),
        icount: false,
        gic: emulator::Gic::default(),
        verbose: false,
        xen: None,
    };
    let exit = emulator::run(&Image::open(file)?, &options)?.exit;
    Ok(ExitCode::from(exit.status()))
}
