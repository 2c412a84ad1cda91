// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was counted while the guest ran.

use std::fmt;
use std::time::Duration;

use paravirt_abi::line::TIMERS;

use super::platform::{Function, Guest};
use super::sandbox::Confinement;
use crate::image::Image;

/// What was counted while the guest ran. [`fmt::Display`] prints it as a table.
#[derive(Clone, Debug)]
pub struct Stats {
    /// External functions in the order of their slots, with the number of calls.
    pub calls: Vec<(String, u64)>,
    /// Expirations of each timer, overruns included.
    pub expirations: [u64; TIMERS as usize],
    /// Expirations that came together with an earlier one of the same timer, because the host was late by a period or more.
    pub overruns: u64,
    /// Upcalls delivered.
    pub upcalls: u64,
    /// Interrupts for which the guest had no handler.
    pub spurious: u64,
    /// Calls of `pv_cpu_idle`.
    pub idles: u64,
    /// Time spent in them.
    pub idle: Duration,
    /// How often guest time has stepped ahead, because the processor's counter and the system's clock drifted apart, as when the machine
    /// is suspended. Guest time never steps back, so it stays ahead.
    pub clock_steps: u64,
    /// By how much in all.
    pub clock_stepped: Duration,
    /// What kept the guest's code from calling Linux.
    pub confinement: Confinement,
}

impl Stats {
    pub(super) fn new(guest: &Guest, image: &Image, confinement: Confinement) -> Self {
        let calls = guest
            .functions()
            .map(|function| function.map_or(0, Function::calls));
        let names = image.externals().iter();
        let (idles, idle_ns) = guest.platform().idle();
        let steps = guest.platform().clock.steps();
        Self {
            calls: names
                .zip(calls)
                .map(|(external, calls)| (external.name.clone(), calls))
                .collect(),
            expirations: guest.page().expirations(),
            overruns: guest.overruns(),
            upcalls: guest.upcalls().into(),
            spurious: guest.page().spurious().into(),
            idles,
            idle: Duration::from_nanos(idle_ns),
            clock_steps: steps.count,
            clock_stepped: Duration::from_nanos(steps.ns),
            confinement,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: u64| writeln!(f, "{name:<24} {value:>12}");
        for (name, calls) in &self.calls {
            row(name, *calls)?;
        }
        for (timer, &expirations) in self.expirations.iter().enumerate() {
            if expirations != 0 {
                row(&format!("timer {timer} expirations"), expirations)?;
            }
        }
        row("overruns", self.overruns)?;
        row("upcalls", self.upcalls)?;
        row("spurious", self.spurious)?;
        row("idle calls", self.idles)?;
        row("idle ms", self.idle.as_millis() as u64)?;
        if self.clock_steps != 0 {
            row("clock steps", self.clock_steps)?;
            row("clock stepped ms", self.clock_stepped.as_millis() as u64)?;
        }
        writeln!(f, "{:<24} {:>12}", "sandbox", self.confinement)
    }
}
