// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counted checks, and the line that says how many there were.

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of checks that passed.
    pub passed: usize,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// Number of those that could not run.
    pub skipped: usize,
}

impl Tally {
    /// Nothing failed and something passed: a task that checked nothing has not succeeded.
    pub fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }
}

/// The closing line.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (passed, failed, skipped) = (self.passed, self.failed.len(), self.skipped);
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
