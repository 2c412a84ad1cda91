// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test program of RTEMS says about itself: the lines that start with `***`.

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
    fn parse(text: &str) -> Self {
        match text {
            "EXPECTED_PASS" => Self::ExpectedPass,
            "EXPECTED_FAIL" => Self::ExpectedFail,
            "USER_INPUT" => Self::UserInput,
            "INDETERMINATE" => Self::Indeterminate,
            "BENCHMARK" => Self::Benchmark,
            _ => Self::Unknown,
        }
    }

    /// As RTEMS writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpectedPass => "EXPECTED_PASS",
            Self::ExpectedFail => "EXPECTED_FAIL",
            Self::UserInput => "USER_INPUT",
            Self::Indeterminate => "INDETERMINATE",
            Self::Benchmark => "BENCHMARK",
            Self::Unknown => "-",
        }
    }
}

/// The banner of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Banner {
    /// The name in `BEGIN OF TEST`.
    pub begin: Option<String>,
    /// The state.
    pub state: State,
    /// The name in `END OF TEST`.
    pub end: Option<String>,
}

impl Banner {
    /// Finds the banner in all that a program wrote. A line may hold other text before it: a program prints a word, and
    /// its end comes from an interrupt or the other way to the console.
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
                banner.begin.get_or_insert(name);
            } else if let Some(name) = named("END OF TEST ") {
                banner.end = Some(name);
            } else if let Some(state) = text.strip_prefix("TEST STATE: ") {
                banner.state = State::parse(state.trim());
            }
        }
        banner
    }

    /// Returns whether the test that began came to its end.
    pub fn is_complete(&self) -> bool {
        self.begin.is_some() && self.begin == self.end
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
    fn the_end_counts_behind_other_text() {
        let glued = HELLO.replace("\r\n*** END", "Assertion? *** END");
        assert!(Banner::parse(&glued).is_complete());
    }

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for state in [
            State::ExpectedPass,
            State::ExpectedFail,
            State::UserInput,
            State::Indeterminate,
            State::Benchmark,
        ] {
            let line = format!("*** TEST STATE: {}\n", state.name());
            assert_eq!(Banner::parse(&line).state, state);
        }
        assert_eq!(Banner::parse("*** TEST STATE: LUNCH\n").state, State::Unknown);
    }
}
