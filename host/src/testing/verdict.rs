// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a test passed, from what it wrote (RTEMS' lines that start with `***`) and how it ended.

use serde::{Deserialize, Serialize};

/// What RTEMS expects of a test on this BSP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// It must pass.
    ExpectedPass,
    /// It is known to fail, on every BSP or on this one.
    ExpectedFail,
    /// It waits for a person.
    UserInput,
    /// It may pass or fail.
    Indeterminate,
    /// It measures, perhaps for long.
    Benchmark,
    /// It did not say.
    #[default]
    Unknown,
}

impl State {
    /// Those that a test says, as RTEMS writes them.
    const NAMES: [(Self, &'static str); 5] = [
        (Self::ExpectedPass, "EXPECTED_PASS"),
        (Self::ExpectedFail, "EXPECTED_FAIL"),
        (Self::UserInput, "USER_INPUT"),
        (Self::Indeterminate, "INDETERMINATE"),
        (Self::Benchmark, "BENCHMARK"),
    ];

    fn parse(text: &str) -> Self {
        let text = text.trim_end_matches(['*', ' ']);
        let known = Self::NAMES.into_iter().find(|(_, name)| *name == text);
        known.map_or(Self::Unknown, |(state, _)| state)
    }

    /// In a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.into_iter().find(|(state, _)| *state == self);
        known.map_or("-", |(_, name)| name)
    }
}

/// The banner of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Banner {
    /// The name in the last `BEGIN OF TEST`.
    pub begin: Option<String>,
    /// The state.
    pub state: State,
    /// The name in the last `END OF TEST`.
    pub end: Option<String>,
    /// Whether a test before the last one began and did not end.
    pub unfinished: bool,
}

impl Banner {
    /// Finds the banner in all that a program wrote. A line may hold other text before it: a program prints a word, and
    /// its end comes from an interrupt or the other way to the console.
    #[must_use]
    pub fn parse(output: &str) -> Self {
        let mut banner = Self::default();
        for line in output.lines() {
            let Some((_, text)) = line.split_once("*** ") else {
                continue;
            };
            let named = |marker: &str| {
                let name = text.strip_prefix(marker)?.trim_end().strip_suffix("***")?;
                Some(name.trim().to_owned())
            };
            if let Some(name) = named("BEGIN OF TEST ") {
                banner.unfinished |= banner.begin.is_some() && !banner.is_complete();
                banner.begin = Some(name);
                banner.end = None;
            } else if let Some(name) = named("END OF TEST ") {
                banner.end = Some(name);
            } else if let Some(state) = text.strip_prefix("TEST STATE: ") {
                banner.state = State::parse(state.trim());
            }
        }
        banner
    }

    /// Returns whether the test that began came to its end, and those before it, if a program has several.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.begin.is_some() && self.begin == self.end && !self.unfinished
    }
}

/// How a program's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It asked its host to stop, by exit, reset or fatal error; the exit status of the host, from 0 to 255.
    Stopped(i32),
    /// It did what a guest may not.
    Fault,
    /// The host itself failed, with this status (-1: a signal).
    Host(i32),
    /// Its time was over.
    Timeout,
    /// It was ended because it printed more than that many MiB.
    Flood(u64),
}

/// What a program prints and how it ends if it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expects {
    /// RTEMS' banner.
    Banner,
    /// RTEMS' banner, or exit status 0 without one.
    BannerOrSuccess,
    /// Its end, with any status and without a banner.
    End,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result", content = "note")]
pub enum Verdict {
    /// Good; the note says what is remarkable about it.
    Passed(String),
    /// Bad, and why.
    Failed(String),
    /// Not complete, but RTEMS does not expect it to be.
    Skipped(String),
    /// It was not started, or not let come to its end, and why.
    NotRun(String),
}

impl Verdict {
    /// In a table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
            Self::NotRun(_) => "not run",
        }
    }

    /// Returns whether it is good.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }

    /// Why, or what is remarkable.
    #[must_use]
    pub fn note(&self) -> &str {
        match self {
            Self::Passed(note) | Self::Failed(note) | Self::Skipped(note) | Self::NotRun(note) => note,
        }
    }
}

/// Judges a program by what it was expected to do.
#[must_use]
pub fn judge(expects: Expects, banner: &Banner, ending: Ending) -> Verdict {
    match (expects, ending) {
        (Expects::End, Ending::Stopped(_)) => Verdict::Passed("it has no banner, and ended".to_owned()),
        (Expects::BannerOrSuccess, Ending::Stopped(0)) if banner.begin.is_none() => Verdict::Passed(String::new()),
        (Expects::BannerOrSuccess, Ending::Stopped(status)) if banner.begin.is_none() => {
            Verdict::Failed(format!("ended with status {status}"))
        }
        (Expects::BannerOrSuccess, _) if banner.begin.is_none() => Verdict::Failed(how(ending)),
        _ => by_banner(banner, ending),
    }
}

fn how(ending: Ending) -> String {
    match ending {
        Ending::Stopped(_) => "ended early".to_owned(),
        Ending::Fault => "guest fault".to_owned(),
        Ending::Host(-1) => "the host ended by a signal".to_owned(),
        Ending::Host(status) => format!("the host ended with status {status}"),
        Ending::Timeout => "timeout".to_owned(),
        Ending::Flood(most) => format!("ended by us, it printed more than {most} MiB"),
    }
}

fn by_banner(banner: &Banner, ending: Ending) -> Verdict {
    let how = how(ending);
    if banner.is_complete() {
        return match (ending, banner.state) {
            (Ending::Stopped(_), State::ExpectedFail) => {
                Verdict::Passed("although RTEMS expects it to fail".to_owned())
            }
            (Ending::Stopped(_), _) => Verdict::Passed(String::new()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "\r\n\r\n*** BEGIN OF TEST HELLO WORLD ***\r\n*** TEST VERSION: 6.0.0\r\n\
        *** TEST STATE: EXPECTED_PASS\r\n*** TEST BUILD: RTEMS_PARAVIRT\r\n*** TEST TOOLS: 12.2.0\r\n\
        Hello World\r\n\r\n*** END OF TEST HELLO WORLD ***\r\n\r\n\r\n[ RTEMS shutdown ]\r\n";

    #[test]
    fn a_complete_test_has_a_name_a_state_and_an_end() {
        let banner = Banner::parse(HELLO);
        assert_eq!(banner.begin.as_deref(), Some("HELLO WORLD"));
        assert_eq!(banner.state, State::ExpectedPass);
        assert!(banner.is_complete());
    }

    #[test]
    fn a_test_that_stops_early_is_not_complete() {
        let cut = &HELLO[..HELLO.find("*** END").expect("is there")];
        assert!(!Banner::parse(cut).is_complete());
        assert!(!Banner::parse("*** END OF TEST HELLO WORLD ***").is_complete());
        assert!(!Banner::parse("").is_complete());
    }

    #[test]
    fn the_end_of_another_test_is_not_its_end() {
        let mixed = HELLO.replace("END OF TEST HELLO WORLD", "END OF TEST TICKER");
        assert!(!Banner::parse(&mixed).is_complete());
    }

    #[test]
    fn of_several_tests_each_must_come_to_its_end() {
        let other = HELLO.replace("HELLO WORLD", "TICKER");
        let cut = &HELLO[..HELLO.find("*** END").expect("is there")];
        for (output, complete) in [
            (HELLO.to_owned() + &other, true),
            (cut.to_owned() + &other, false),
            (other + cut, false),
        ] {
            assert_eq!(Banner::parse(&output).is_complete(), complete, "{output}");
        }
    }

    #[test]
    fn the_end_counts_behind_other_text() {
        let glued = HELLO.replace("\r\n*** END", "Assertion? *** END");
        assert!(Banner::parse(&glued).is_complete());
    }

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for (state, _) in State::NAMES {
            let line = format!("*** TEST STATE: {}\n", state.name());
            assert_eq!(Banner::parse(&line).state, state);
        }
        let starred = Banner::parse("*** TEST STATE: USER_INPUT ***\n");
        assert_eq!(starred.state, State::UserInput);
        assert_eq!(Banner::parse("*** TEST STATE: LUNCH\n").state, State::Unknown);
    }

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
        assert_eq!(judge(Expects::Banner, &complete, Ending::Stopped(0)).name(), "passed");
        for ending in [Ending::Fault, Ending::Timeout, Ending::Host(1)] {
            assert_eq!(judge(Expects::Banner, &complete, ending).name(), "FAILED", "{ending:?}");
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
            for ending in [Ending::Stopped(0), Ending::Fault, Ending::Timeout] {
                assert_eq!(
                    judge(Expects::Banner, &banner(state, false), ending).name(),
                    name,
                    "{state}"
                );
            }
        }
    }

    #[test]
    fn what_counts_without_a_banner_depends_on_the_program() {
        let judge = |expects, ending| judge(expects, &Banner::default(), ending);
        let (status, other) = (Ending::Stopped(0), Ending::Stopped(3));
        for (expects, ending, name) in [
            (Expects::Banner, status, "FAILED"),
            (Expects::BannerOrSuccess, status, "passed"),
            (Expects::BannerOrSuccess, other, "FAILED"),
            (Expects::End, other, "passed"),
        ] {
            assert_eq!(judge(expects, ending).name(), name, "{expects:?} {ending:?}");
        }
        for expects in [Expects::Banner, Expects::BannerOrSuccess, Expects::End] {
            for ending in [Ending::Fault, Ending::Timeout, Ending::Host(1), Ending::Flood(16)] {
                assert_eq!(judge(expects, ending).name(), "FAILED", "{expects:?} {ending:?}");
            }
        }
    }

    /// A status of 0 does not make up for the end that is missing.
    #[test]
    fn a_banner_counts_more_than_the_status() {
        for (complete, name) in [(true, "passed"), (false, "FAILED")] {
            let banner = banner("EXPECTED_PASS", complete);
            for status in [0, 3] {
                assert_eq!(
                    judge(Expects::BannerOrSuccess, &banner, Ending::Stopped(status)).name(),
                    name
                );
            }
        }
    }

    #[test]
    fn an_unexpected_pass_is_said() {
        let verdict = judge(Expects::Banner, &banner("EXPECTED_FAIL", true), Ending::Stopped(0));
        assert!(verdict.note().contains("expects it to fail"));
    }
}
