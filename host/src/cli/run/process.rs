// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host process`: runs a guest in this process.

use pvhost::image::Image;
use pvhost::process::{Exit, Vm};
use pvhost::provides::Host;

use super::{Arguments, Error, ExitStatus, report, signal};
use crate::cli::say::{self, BAD};
use crate::cli::units;

/// Runs the guest; its end is the program's.
pub(super) fn run(image: Image, host: &Host, arguments: &Arguments) -> Result<ExitStatus, Error> {
    let mut builder = Vm::builder(image)
        .memory(arguments.memory)
        .executable_memory(arguments.executable_memory)
        .command_line(arguments.command_line()?)
        .lazy(arguments.lazy)
        .handle_signals(true);
    if let Some(timeout) = arguments.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(priority) = arguments.realtime {
        builder = builder.realtime(priority);
    }
    if host.is_for_2013() || arguments.compat.is_some() {
        builder = builder.compat_2013();
    }
    let vm = builder.build()?;
    if !arguments.quiet {
        super::say_missing(vm.image(), host, vm.unbound());
    }
    if arguments.verbose {
        let all = vm.image().externals().len();
        say::note(format_args!(
            "{}: {} of {all} functions bound, {} of memory beside the image",
            host.name,
            all - vm.unbound().count(),
            units::shown(arguments.memory)
        ));
    }
    let finished = vm.run()?;
    let mut signal = None;
    match &finished.exit {
        Exit::Fault(fault) | Exit::Unbound(fault) => {
            say::note(format_args!("{BAD}guest fault:{BAD:#} {fault}"));
        }
        Exit::Timeout => arguments.say_timeout(),
        Exit::Signal(number) => signal = Some(*number),
        _ => {}
    }
    let (steps, stepped) = (finished.stats.clock_steps, finished.stats.clock_stepped);
    if steps > 0 {
        say::note(format_args!(
            "guest time has stepped ahead by {stepped:?} in all, in {steps} steps: the processor's counter and the system's clock \
             drifted apart, as when the machine is suspended"
        ));
    }
    let status = finished.exit.status();
    let (status, death) = super::conclude(status, signal, finished.lost.as_ref());
    if arguments.stats {
        say::say(&finished.stats);
    }
    if arguments.json {
        say::say(report::line(arguments, &finished, status)? + "\n");
    }
    if let Some(signal) = death {
        signal::die_by(signal);
    }
    Ok(status)
}
