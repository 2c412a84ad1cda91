// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host process`: runs a guest in this process.

use pvhost::image::Image;
use pvhost::process::{Exit, Vm};

use super::{Arguments, Compat, Error, ExitStatus, report};

/// Runs the guest; its end is the program's.
pub(super) fn run(image: Image, arguments: &Arguments) -> Result<ExitStatus, Error> {
    let mut builder = Vm::builder(image)
        .memory(arguments.memory)
        .executable_memory(arguments.executable_memory)
        .command_line(arguments.command_line())
        .lazy(arguments.lazy)
        .handle_signals(true);
    if let Some(timeout) = arguments.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(priority) = arguments.realtime {
        builder = builder.realtime(priority);
    }
    if arguments.compat == Some(Compat::L4Rtems) {
        builder = builder.compat_2013();
    }
    let vm = builder.build()?;
    for name in vm.unbound() {
        super::warn_of_unbound(name);
    }
    let finished = vm.run()?;
    match &finished.exit {
        Exit::Fault(fault) | Exit::Unbound(fault) => eprintln!("pvhost: guest fault: {fault}"),
        Exit::Timeout => super::say_timeout(),
        _ => {}
    }
    let (steps, stepped) = (finished.stats.clock_steps, finished.stats.clock_stepped);
    if steps > 0 {
        eprintln!(
            "pvhost: guest time has stepped ahead by {stepped:?} in all, in {steps} steps: the processor's counter and the system's clock \
             drifted apart, as when the machine is suspended"
        );
    }
    if arguments.stats {
        eprint!("{}", finished.stats);
    }
    if arguments.json {
        eprintln!("{}", report::line(arguments, &finished)?);
    }
    if let Exit::Signal(signal) = finished.exit {
        super::die_by(signal);
    }
    Ok(finished.exit.status())
}
