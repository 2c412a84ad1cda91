// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host process`: runs a guest in this process.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use pvhost::image::Image;
use pvhost::process::{Confinement, Exit, Feature, Repeatable, SandboxPolicy, Vm, VmError};
use pvhost::profile::Profile;
use pvhost::provides::Host;
use pvhost::text::Escaped;
use pvhost::trace::Trace;

use super::{Arguments, Error, ExitStatus, core, debugger, output, report, signal};
use crate::cli::output::Late;
use crate::cli::say::{self, BAD};
use crate::cli::units;

/// What is so without a sandbox.
const OPEN: &str = "a guest that breaks out of its code can do what you can";

/// Runs the guest; its end is the program's. What is said behind it takes its time until `end`.
pub(super) fn run(image: Image, host: &Host, arguments: &Arguments, end: Option<Instant>) -> Result<ExitStatus, Error> {
    // Nothing is made that would not be used.
    for (is_asked, feature) in [
        (arguments.core.is_some() || arguments.core_dir.is_some(), Feature::Core),
        (arguments.trace.is_some(), Feature::Trace),
        (arguments.profile.is_some(), Feature::Profile),
    ] {
        if is_asked {
            feature.check().map_err(VmError::from)?;
        }
    }
    // First of all: as long as there is one thread.
    let coverage = core::Outcome::default();
    let collector = arguments.coverage.as_deref().map(|folder| {
        // SAFETY: as it says above.
        unsafe { coverage.collector(folder) }
    });
    let collector = collector.transpose()?;
    output::check_different(&arguments.results())?;
    let results = [(&arguments.trace, false), (&arguments.profile, true)].map(|(name, is_text)| {
        let name = name.as_deref()?;
        Some(Late::open(name, is_text, arguments.guest(), end).map(|file| (name, file)))
    });
    let [trace, profile] = match results.map(Option::transpose) {
        [Err(error), _] | [_, Err(error)] if error.is_timeout() => {
            arguments.say_timeout();
            return Ok(Exit::Timeout.status());
        }
        [trace, profile] => [trace?, profile?],
    };
    let core = core::file(arguments, &image, Feature::Core.check().is_ok())?;
    let mut builder = Vm::builder(image)
        .memory(arguments.memory)
        .executable_memory(arguments.executable_memory)
        .command_line(arguments.command_line()?)
        .lazy(arguments.lazy)
        .time(arguments.time())
        .stack_check(arguments.stack_check)
        .handle_signals(true);
    if let Some(end) = end {
        builder = builder.timeout(end.saturating_duration_since(Instant::now()));
    }
    if let Some(priority) = arguments.realtime {
        builder = builder.realtime(priority);
    }
    if trace.is_some() {
        builder = builder.trace(arguments.trace_memory);
    }
    builder = builder.profile(profile.is_some());
    if host.is_for_l4rtems() || arguments.compat.is_some() {
        builder = builder.l4rtems();
    }
    let refused = Arc::new(OnceLock::new());
    if arguments.no_sandbox {
        say::warning(format_args!("no sandbox (--no-sandbox): {OPEN}"));
    } else {
        let refused = Arc::clone(&refused);
        builder = builder.sandbox(SandboxPolicy::new().or_without(move |error| {
            say::warning(format_args!("no sandbox: {error}: {OPEN}"));
            // It is called once.
            let _ = refused.set(error.to_string());
        }));
    }
    if let Some(collector) = collector {
        builder = builder.at_end(collector);
    }
    if let Some(core) = core {
        builder = builder.core(core);
    }
    let mut place = None;
    if let Some(console) = arguments.console.open(arguments)? {
        place = console.place().map(str::to_owned);
        builder = builder.console(console);
    }
    let mut debugger_place = None;
    if let Some(place) = &arguments.gdb {
        let port = place.open(arguments)?;
        debugger_place = Some(port.place().to_owned());
        builder = builder.debugger(port);
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
    if let Some(place) = &place {
        say::note(format_args!("console: {}", Escaped(place)));
    }
    if let Some(place) = &debugger_place {
        // gdb wants sockets' names without what they are.
        let target = place.strip_prefix("unix:").or(place.strip_prefix("tcp:"));
        debugger::say_where(target.unwrap_or(place));
    }
    // SAFETY: this program has no handlers but the terminal's last words, which come on the signal stack and need no
    // thread pointer.
    let finished = unsafe { vm.run_last() }?;
    if let Some(end) = end {
        output::hurry_from(end);
    }
    let mut signal = None;
    match &finished.exit {
        Exit::Fault(fault) | Exit::Unbound(fault) => {
            say::note(format_args!("{BAD}guest fault:{BAD:#} {fault}"));
        }
        Exit::Fatal(code) => {
            if let Some(backtrace) = &finished.backtrace {
                say::note(format_args!("{BAD}guest gave up{BAD:#}, with code {code}{backtrace}"));
            }
        }
        Exit::Timeout => arguments.say_timeout(),
        Exit::Signal(number) => {
            output::hurry_from(Instant::now());
            signal = Some(*number);
        }
        _ => {}
    }
    core::say(arguments, finished.core.as_ref());
    coverage.say(arguments.quiet);
    match &finished.stats.stacks {
        Some(Err(error)) => say::warning(error),
        Some(Ok(stacks)) => {
            for stack in stacks.iter().filter(|stack| stack.overflowed) {
                let (name, size) = (Escaped(&stack.name), stack.size());
                say::warning(format_args!(
                    "the stack of {name} has overflowed: {size} bytes are too few"
                ));
            }
        }
        None => {}
    }
    let (steps, stepped) = (finished.stats.clock_steps, finished.stats.clock_stepped);
    if steps > 0 {
        say::note(format_args!(
            "guest time has stepped ahead by {stepped:?} in all, in {steps} steps: the processor's counter and the \
             system's clock drifted apart, as when the machine is suspended"
        ));
    }
    let repeatable = finished.stats.repeatable;
    if !arguments.quiet && !matches!(repeatable, Repeatable::Yes | Repeatable::NotAsked) {
        say::note(format_args!("another run may differ: {}", repeatable.reason()));
    }
    if finished.stats.confinement == Confinement::Nothing {
        say::warning("nothing has kept the guest's code from calling Linux");
    }
    if let Some(error) = &finished.unread {
        say::warning(format_args!("the guest's input cannot be read: {error}"));
    }
    if finished.unread_output > 0 {
        say::warning(format_args!(
            "{} bytes of the guest's output are lost: no client of the console has taken them",
            finished.unread_output
        ));
    }
    if let Some((recorded, (name, file))) = finished.trace.as_ref().zip(trace) {
        write_trace(arguments, recorded, name, file);
    }
    if let Some((profile, (name, file))) = finished.profile.as_ref().zip(profile) {
        write_profile(arguments, profile, name, file);
    }
    let status = finished.exit.status();
    let (status, death) = super::conclude(status, signal, finished.lost.as_ref());
    if arguments.stats {
        say::say(&finished.stats);
    }
    if arguments.json {
        let refused = refused.get().map(String::as_str);
        say::say(report::line(arguments, &finished, status, refused)? + "\n");
    }
    if let Some(signal) = death {
        signal::die_by(signal);
    }
    Ok(status)
}

/// Writes what was recorded. If that fails, the guest has ended all the same.
fn write_trace(arguments: &Arguments, trace: &Trace, name: &Path, file: Late) {
    if let Err(error) = file.write(&trace.to_perfetto()) {
        say::warning(format_args!(
            "no trace: cannot write {}: {error}",
            Escaped(name.display())
        ));
    } else if trace.lost > 0 && !arguments.quiet {
        say::note(format_args!(
            "the trace has the last {} events; {} before them are lost (--trace-memory)",
            trace.events.len(),
            trace.lost
        ));
    }
}

/// Writes where the guest's processor time has gone, in the form that the file's name asks for.
fn write_profile(arguments: &Arguments, profile: &Profile, name: &Path, file: Late) {
    let is_svg = name.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg"));
    let content = if is_svg {
        profile.flame_graph()
    } else {
        Ok(profile.folded().into_bytes())
    };
    let content = match content {
        Ok(content) => content,
        Err(error) => return say::warning(format_args!("no profile: {error}")),
    };
    match file.write(&content) {
        Err(error) => say::warning(format_args!(
            "no profile: cannot write {}: {error}",
            Escaped(name.display())
        )),
        Ok(()) if arguments.verbose => say::note(format_args!(
            "{} samples taken, {} of them are in the profile",
            profile.taken(),
            profile.shown()
        )),
        Ok(()) => {}
    }
}
