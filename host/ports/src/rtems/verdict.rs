// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a test passed, from what it wrote and how it ended.

use serde::{Deserialize, Serialize};

use super::output::{Banner, State};

/// How a program's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It asked its host to stop: by exit, reset or fatal error.
    Stopped,
    /// It did what a guest may not.
    Fault,
    /// The host itself failed, with this status (-1: a signal).
    Host(i32),
    /// Its time was over.
    Timeout,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result", content = "note")]
pub enum Verdict {
    /// Good; the note says what is remarkable about it.
    Passed(String),
    /// Bad, and why.
    Failed(String),
    /// Not complete, but RTEMS does not expect it to be.
    Skipped(String),
}

impl Verdict {
    /// In the table.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Returns whether it is good.
    pub const fn is_passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }

    /// Why, or what is remarkable.
    pub fn note(&self) -> &str {
        match self {
            Self::Passed(note) | Self::Failed(note) | Self::Skipped(note) => note,
        }
    }
}

/// Judges a program that prints RTEMS' banner.
pub fn judge(banner: &Banner, ending: Ending) -> Verdict {
    let how = match ending {
        Ending::Stopped => "ended early".to_owned(),
        Ending::Fault => "guest fault".to_owned(),
        Ending::Host(status) => format!("the host ended with status {status}"),
        Ending::Timeout => "timeout".to_owned(),
    };
    if banner.is_complete() {
        return match (ending, banner.state) {
            (Ending::Stopped, State::ExpectedFail) => Verdict::Passed("although RTEMS expects it to fail".to_owned()),
            (Ending::Stopped, _) => Verdict::Passed(String::new()),
            _ => Verdict::Failed(format!("{how} after the end of the test")),
        };
    }
    match banner.state {
        State::ExpectedFail => Verdict::Skipped(format!("RTEMS expects it to fail ({how})")),
        State::UserInput => Verdict::Skipped(format!("RTEMS says it needs a person ({how})")),
        State::Indeterminate => Verdict::Skipped(format!("RTEMS says it may fail ({how})")),
        State::Benchmark => Verdict::Skipped(format!("RTEMS says it is a benchmark ({how})")),
        State::ExpectedPass | State::Unknown if banner.begin.is_none() => Verdict::Failed(format!("no banner, {how}")),
        State::ExpectedPass | State::Unknown => Verdict::Failed(how),
    }
}

/// Judges a program without a banner: it passes if it ends by itself.
pub fn judge_silent(ending: Ending) -> Verdict {
    match ending {
        Ending::Stopped => Verdict::Passed("it has no banner, and ended".to_owned()),
        _ => judge(&Banner::default(), ending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(state: &str, complete: bool) -> Banner {
        let mut output = format!("*** BEGIN OF TEST SP 1 ***\n*** TEST STATE: {state}\n");
        if complete {
            output.push_str("*** END OF TEST SP 1 ***\n");
        }
        Banner::parse(&output)
    }

    #[test]
    fn a_complete_test_passes_if_it_ends_by_itself() {
        let complete = banner("EXPECTED_PASS", true);
        assert_eq!(judge(&complete, Ending::Stopped).name(), "passed");
        for ending in [Ending::Fault, Ending::Timeout, Ending::Host(1)] {
            assert_eq!(judge(&complete, ending).name(), "FAILED", "{ending:?}");
        }
    }

    #[test]
    fn an_incomplete_test_fails_unless_rtems_says_otherwise() {
        for (state, name) in [
            ("EXPECTED_PASS", "FAILED"),
            ("nonsense", "FAILED"),
            ("EXPECTED_FAIL", "skipped"),
            ("USER_INPUT", "skipped"),
            ("INDETERMINATE", "skipped"),
            ("BENCHMARK", "skipped"),
        ] {
            for ending in [Ending::Stopped, Ending::Fault, Ending::Timeout] {
                assert_eq!(judge(&banner(state, false), ending).name(), name, "{state}");
            }
        }
    }

    #[test]
    fn nothing_printed_is_a_failure_unless_the_program_is_known_for_it() {
        assert_eq!(judge(&Banner::default(), Ending::Stopped).name(), "FAILED");
        assert_eq!(judge_silent(Ending::Stopped).name(), "passed");
        assert_eq!(judge_silent(Ending::Timeout).name(), "FAILED");
    }

    #[test]
    fn an_unexpected_pass_is_said() {
        let verdict = judge(&banner("EXPECTED_FAIL", true), Ending::Stopped);
        assert!(verdict.note().contains("expects it to fail"));
    }
}
