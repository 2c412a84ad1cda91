// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Xen's lines tell about the guest.

use super::MachineEnd;

/// LineBuffer that are kept for a report; of a longer log, the last ones.
const KEPT: usize = 500;

/// Xen's log of a run.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<String>,
    /// Number of lines at the guest's start.
    start: Option<usize>,
}

/// What a line means for the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The guest starts. It is Xen's last line before that.
    Started,
    /// The guest, or Xen itself, has ended; the machine would only wait or start again.
    Ended(MachineEnd),
}

impl Log {
    /// Keeps a line; what it means.
    pub(super) fn push(&mut self, line: String) -> Option<Event> {
        let event = event(&line);
        if event == Some(Event::Started) {
            self.start = Some(self.lines.len() + 1);
        }
        if self.lines.len() == KEPT {
            self.lines.remove(0);
            self.start = self.start.map(|start| start.saturating_sub(1));
        }
        self.lines.push(line);
        event
    }

    /// Returns whether the guest has started.
    pub(super) const fn guest_started(&self) -> bool {
        self.start.is_some()
    }

    /// The lines for a report: if the guest has started, those since then.
    pub(super) fn report(&self) -> &[String] {
        &self.lines[self.start.unwrap_or(0)..]
    }
}

/// LineBuffer of Xen's (4.17 and 4.20) xen/arch/x86/setup.c, xen/arch/arm/mm.c, xen/common/shutdown.c,
/// xen/common/domain.c and xen/drivers/char/console.c.
fn event(line: &str) -> Option<Event> {
    if line.starts_with("Freed ") && line.trim_end_matches('.').ends_with(" init memory") {
        return Some(Event::Started);
    }
    // Where it is the only domain, nothing else follows.
    if line.starts_with("Domain 1 ") && line.contains(" crashed on cpu") {
        return Some(Event::Ended(MachineEnd::Fault));
    }
    if line.starts_with("Reboot in five seconds") {
        let panic = "Xen itself stopped in a panic".to_owned();
        return Some(Event::Ended(MachineEnd::Unknown(panic)));
    }
    let words = line.strip_prefix("Hardware Dom0 ")?;
    Some(Event::Ended(if words.starts_with("crashed") {
        MachineEnd::Fault
    } else if words.starts_with("shutdown: rebooting") {
        MachineEnd::Reset
    } else {
        MachineEnd::Unknown(format!("Xen only says: Dom0 {words}"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_xen_tell_start_and_end() {
        let ended = |line| match event(line) {
            Some(Event::Ended(exit)) => exit.status(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(ended("Hardware Dom0 crashed: rebooting machine in 5 seconds."), 5);
        assert_eq!(ended("Hardware Dom0 shutdown: rebooting machine"), 4);
        assert_eq!(ended("Hardware Dom0 halted: halting machine"), 1);
        assert_eq!(ended("Reboot in five seconds..."), 1);
        assert_eq!(ended("Domain 1 (vcpu#0) crashed on cpu#0:"), 5);
        assert_eq!(event("Freed 656kB init memory"), Some(Event::Started));
        assert_eq!(event("Freed 336kB init memory."), Some(Event::Started));
        assert_eq!(event("*** Serial input to DOM0"), None);
    }

    #[test]
    fn a_report_begins_with_the_guest_and_has_a_limit() {
        let mut log = Log::default();
        for line in ["boot", "Freed 1kB init memory", "late"] {
            log.push(line.to_owned());
        }
        assert_eq!(log.report(), ["late"]);
        for number in 0..2 * KEPT {
            log.push(number.to_string());
        }
        assert_eq!(log.report().len(), KEPT);
        assert_eq!(log.report().last().map(String::as_str), Some("999"));
        let mut log = Log::default();
        log.push("boot".to_owned());
        assert_eq!(log.report(), ["boot"]);
    }
}
