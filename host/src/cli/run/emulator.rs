// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host qemu|xen`: runs a guest in QEMU.

use std::time::Instant;

use pvhost::emulator::{self, Gic, MachineEnd, Options, VirtualMachine};
use pvhost::image::{External, Image};
use pvhost::provides::{Fit, Host};
use pvhost::text::Escaped;

use super::{Arguments, Error, ExitStatus, core, output, signal};
use crate::cli::say::{self, BAD};

/// Runs the guest; its end is the program's. What is said behind it takes its time until `end`.
pub(super) fn run(
    image: &Image,
    host: &Host,
    platform: VirtualMachine,
    arguments: &Arguments,
    end: Option<Instant>,
) -> Result<ExitStatus, Error> {
    // An image that is refused needs no more words.
    emulator::check(image, platform, arguments.memory)?;
    if !arguments.quiet {
        let provides = host.provides_to(image);
        let width = image.machine().width();
        let is_missing = |external: &&External| provides.fit(external, width) == Fit::Missing;
        let missing = image.externals().iter().filter(is_missing);
        super::say_missing(image, host, missing.map(|external| external.name.as_str()));
    }
    signal::wait_for_children();
    let options = Options {
        platform,
        memory: arguments.memory,
        command_line: arguments.command_line()?,
        timeout: end.map(|end| end.saturating_duration_since(Instant::now())),
        icount: arguments.icount,
        gic: arguments.gic.map_or_else(Gic::default, Gic::from),
        verbose: arguments.verbose,
        xen: arguments.xen.clone(),
        debugger: match &arguments.gdb {
            Some(place) => Some(place.address(arguments)?),
            None => None,
        },
    };
    if let Some(address) = options.debugger {
        super::debugger::say_where(&address.to_string());
    }
    let core = core::file(arguments, image, platform.has_cores(image.machine()))?;
    let finished = emulator::run(image, &options, core)?;
    if let Some(end) = end {
        output::hurry_from(end);
    }
    let mut signal = None;
    match &finished.exit {
        MachineEnd::Timeout => arguments.say_timeout(),
        MachineEnd::Unknown(reason) => {
            say::error(format_args!("the guest has not said how it ended: {}", Escaped(reason)));
        }
        MachineEnd::Signal(number) => signal = Some(*number),
        MachineEnd::Fault => {
            if let Some(backtrace) = &finished.backtrace {
                say::note(format_args!("{BAD}guest fault:{BAD:#}{backtrace}"));
            }
        }
        MachineEnd::Fatal(code) => {
            if let Some(backtrace) = &finished.backtrace {
                say::note(format_args!("{BAD}guest gave up{BAD:#}, with code {code}{backtrace}"));
            }
        }
        MachineEnd::Exit(_) | MachineEnd::Reset => {}
    }
    core::say(arguments, finished.core.as_ref());
    let status = finished.exit.status();
    let (status, death) = super::conclude(status, signal, finished.lost.as_ref());
    if let Some(signal) = death {
        signal::die_by(signal);
    }
    Ok(status)
}
