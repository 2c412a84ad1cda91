// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --json`: a run for programs to read.

use std::time::Duration;

use pvhost::debug::stacks::StackUse;
use pvhost::fault::Location;
use pvhost::process::{Exit, Finished, Repeatable};
use serde::Serialize;

use super::{Arguments, ExitStatus};
use crate::cli::json;

#[derive(Serialize)]
struct Report<'a> {
    file: String,
    end: &'static str,
    code: Option<i32>,
    fault: Option<String>,
    status: u8,
    calls: Vec<Calls<'a>>,
    timer_expirations: &'a [u64],
    overruns: u64,
    upcalls: u64,
    spurious: u64,
    idle_calls: u64,
    idle_ns: u64,
    clock_steps: u64,
    clock_stepped_ns: u64,
    time: String,
    seed: Option<u64>,
    guest_time_ns: u64,
    repeatable: bool,
    not_repeatable_because: Option<String>,
    input_refused: Option<String>,
    output_unread: u64,
    core: Option<String>,
    sandbox: String,
    sandbox_refused: Option<&'a str>,
    frames: Vec<Frame<'a>>,
    stacks: Option<Vec<Stack<'a>>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    address: String,
    function: Option<&'a str>,
    interrupted: bool,
    times: u64,
    source: Vec<SourceOfFrame<'a>>,
}

#[derive(Serialize)]
struct SourceOfFrame<'a> {
    file: &'a str,
    line: Option<u64>,
    column: Option<u64>,
    inlined: Option<&'a str>,
}

impl<'a> Frame<'a> {
    fn new(location: &'a Location, interrupted: bool, times: u64) -> Self {
        let known = |number| (number > 0).then_some(number);
        let source = location.source.iter().map(|source| SourceOfFrame {
            file: &source.file,
            line: known(source.line),
            column: known(source.column),
            inlined: source.inlined.as_deref(),
        });
        Self {
            address: format!("{:#x}", location.address),
            function: location.function.as_deref(),
            interrupted,
            times,
            source: source.collect(),
        }
    }
}

/// Where the guest was when it did what it may not, or gave up, and its callers.
fn frames(finished: &Finished) -> Vec<Frame<'_>> {
    let (places, callers) = match (&finished.exit, &finished.backtrace) {
        (Exit::Fault(fault) | Exit::Unbound(fault), _) => {
            ([fault.location.as_ref(), fault.caller.as_ref()], &fault.callers)
        }
        (_, Some(backtrace)) => ([Some(&backtrace.location), None], &backtrace.callers),
        _ => return Vec::new(),
    };
    let places = places.into_iter().flatten().map(|place| Frame::new(place, false, 1));
    places
        .chain(
            callers
                .iter()
                .map(|caller| Frame::new(&caller.location, caller.interrupted, caller.times)),
        )
        .collect()
}

#[derive(Serialize)]
struct Calls<'a> {
    name: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Stack<'a> {
    name: &'a str,
    id: Option<String>,
    size: u64,
    used: u64,
    overflowed: bool,
}

impl<'a> Stack<'a> {
    fn of(stack: &'a StackUse) -> Self {
        Self {
            name: &stack.name,
            id: stack.id.map(|id| format!("{id:#010x}")),
            size: stack.size(),
            used: stack.used,
            overflowed: stack.overflowed,
        }
    }
}

/// The run as one line; `refused` says why there is no sandbox, if the system is to blame.
pub(super) fn line(
    arguments: &Arguments,
    finished: &Finished,
    status: ExitStatus,
    refused: Option<&str>,
) -> serde_json::Result<String> {
    let (exit, stats) = (&finished.exit, &finished.stats);
    let (end, code) = match exit {
        Exit::Exit(code) => ("exit", Some(*code)),
        Exit::Reset => ("reset", None),
        Exit::Fatal(code) => ("fatal", Some(*code)),
        Exit::Unbound(_) => ("unbound", None),
        Exit::Fault(_) => ("fault", None),
        Exit::Timeout => ("timeout", None),
        Exit::Signal(signal) => ("signal", Some(*signal)),
    };
    let fault = match exit {
        Exit::Fault(fault) | Exit::Unbound(fault) => Some(fault.to_string()),
        _ => None,
    };
    let core = finished.core.as_ref().and_then(|core| core.as_ref().ok());
    let calls = stats.calls.iter().map(|(name, count)| Calls { name, count: *count });
    json::line(&Report {
        file: arguments.guest().display().to_string(),
        end,
        code,
        fault,
        status,
        calls: calls.collect(),
        timer_expirations: &stats.expirations,
        overruns: stats.overruns,
        upcalls: stats.upcalls,
        spurious: stats.spurious,
        idle_calls: stats.idles,
        idle_ns: ns(stats.idle),
        clock_steps: stats.clock_steps,
        clock_stepped_ns: ns(stats.clock_stepped),
        time: arguments.time.to_string(),
        seed: arguments.seed,
        guest_time_ns: ns(stats.guest_time),
        repeatable: stats.repeatable == Repeatable::Yes,
        not_repeatable_because: match stats.repeatable {
            Repeatable::Yes => None,
            other => Some(other.reason().to_string()),
        },
        input_refused: finished.unread.as_ref().map(ToString::to_string),
        output_unread: finished.unread_output,
        core: core.map(|file| file.display().to_string()),
        sandbox: stats.confinement.to_string(),
        sandbox_refused: refused,
        frames: frames(finished),
        stacks: (stats.stacks.as_ref()).and_then(|stacks| Some(stacks.as_ref().ok()?.iter().map(Stack::of).collect())),
    })
}

/// A time as a number.
fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
