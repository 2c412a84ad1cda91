// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which findings are known, and why they do no harm.
//!
//! ```text
//! # function: instruction  # reason
//! _CPU_Exception_frame_print: mov with cr2  # no exception reaches the guest on this host
//! my_driver::*: out  # runs only where the host grants the port
//! ```
//!
//! One rule a line. A function that ends with `*` stands for all whose names begin so, the instruction `*` for any.
//! Each rule has a reason.

use super::Finding;
use crate::image::Image;
use crate::text::{Escaped, beginning};

/// What the guest layer has in every image.
const LAYER: &str = include_str!("layer/any.allow");

/// What its backends and entry points add, by name.
const PARTS: [(&str, &str); 5] = [
    ("bare", include_str!("layer/ring0.allow")),
    ("linux_syscall", include_str!("layer/linux_syscall.allow")),
    ("pok", include_str!("layer/pok.allow")),
    ("ring0", include_str!("layer/ring0.allow")),
    ("xen", include_str!("layer/ring0.allow")),
];

/// The rules of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist {
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Number of its line, from 1.
    pub line: usize,
    /// The function; with `*` at the end, all whose names begin so.
    pub function: String,
    /// The instruction's name; `*` for any.
    pub instruction: String,
    /// Why it does no harm there.
    pub reason: String,
}

/// Limit of the number of rules. Each is compared with each finding.
const MAX_RULES: usize = 1000;

/// Why an allowlist cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AllowlistError {
    /// A line is no rule.
    #[error(
        "{file}:{line}: {problem} in {found:?}; write `function: instruction  # reason`, as in `board_init: out  # \
        runs before ..`", file = Escaped(file))]
    Rule {
        /// The file.
        file: String,
        /// Number of the line, from 1.
        line: usize,
        /// What stands there, or how it begins.
        found: String,
        /// What is missing.
        problem: &'static str,
    },
    /// More rules than the limit.
    #[error("{file}:{line}: more than {limit} rules; let one stand for several functions: `my_driver::*: out  # why`", file = Escaped(file))]
    TooMany {
        /// The file.
        file: String,
        /// Number of the line, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
}

impl Rule {
    /// Returns whether it allows that.
    #[must_use]
    pub fn allows(&self, finding: &Finding) -> bool {
        let function = match self.function.strip_suffix('*') {
            Some(start) => finding.function.starts_with(start),
            None => finding.function == self.function,
        };
        function && (self.instruction == "*" || finding.instruction == self.instruction)
    }
}

impl Allowlist {
    /// Reads a list; `file` is for messages.
    ///
    /// # Errors
    /// Names the file, the line and what is missing there.
    pub fn parse(file: &str, text: &str) -> Result<Self, AllowlistError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if rules.len() == MAX_RULES {
                return Err(AllowlistError::TooMany {
                    file: file.to_owned(),
                    line: index + 1,
                    limit: MAX_RULES,
                });
            }
            let rule = rule(index + 1, line).map_err(|problem| AllowlistError::Rule {
                file: file.to_owned(),
                line: index + 1,
                found: beginning(line),
                problem,
            })?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// The instructions of the guest layer itself in that image: its common code, that of the backends that the image
    /// carries, and that of the entry points by which hypervisors enter it in ring 0.
    #[must_use]
    pub fn of_layer(image: &Image) -> Self {
        let entries = image.entries();
        let ring0 = entries.pvh.or(entries.xen_pv).map(|_| "ring0".to_owned());
        let backends = image.backends().into_iter().map(|backend| backend.name);
        Self::of_parts(backends.chain(ring0))
    }

    /// The same for backends, or `ring0`, by name.
    fn of_parts(names: impl IntoIterator<Item = String>) -> Self {
        let mut lists = vec![LAYER];
        for name in names {
            let part = PARTS.iter().find(|part| *part.0 == name.replace('-', "_"));
            lists.extend(part.map(|part| part.1));
        }
        Self::parse("the guest layer's list", &lists.concat()).expect("a test reads every list")
    }

    /// The rule that allows the finding.
    #[must_use]
    pub fn rule_for(&self, finding: &Finding) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.allows(finding))
    }

    /// Rules that allow none of the findings: what they were written for is gone, or misspelt.
    pub fn unused<'a>(&'a self, findings: &'a [Finding]) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(|rule| !findings.iter().any(|finding| rule.allows(finding)))
    }
}

fn rule(line: usize, text: &str) -> Result<Rule, &'static str> {
    // Names of Rust functions may hold a `#`, but no white space before it.
    let (rule, reason) = text.split_once(" #").ok_or("no reason")?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err("no reason");
    }
    let (function, instruction) = rule.rsplit_once(": ").ok_or("no instruction")?;
    let (function, instruction) = (function.trim(), instruction.trim());
    if function.is_empty() || instruction.is_empty() {
        return Err("no function or no instruction");
    }
    Ok(Rule {
        line,
        function: function.to_owned(),
        instruction: instruction.to_owned(),
        reason: reason.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Class;

    fn finding(function: &str, instruction: &str) -> Finding {
        Finding {
            function: function.to_owned(),
            address: 0,
            instruction: instruction.to_owned(),
            disassembly: String::new(),
            class: Class::Privileged,
            why: "",
        }
    }

    #[test]
    fn rules_are_matched_by_function_and_instruction() {
        let text = "# known\n\na: cli  # why\nm::f::{closure#0}: mov with cr2 # why\nm::g*: out # why\nx: * # why\n";
        let list = Allowlist::parse("list", text).expect("a sound list");
        let line = |function, instruction| list.rule_for(&finding(function, instruction)).map(|r| r.line);
        assert_eq!(line("a", "cli"), Some(3));
        assert_eq!(line("a", "sti"), None);
        assert_eq!(line("ab", "cli"), None);
        assert_eq!(line("m::f::{closure#0}", "mov with cr2"), Some(4));
        assert_eq!(line("m::g", "out"), Some(5));
        assert_eq!(line("m::go", "out"), Some(5));
        assert_eq!(line("m::h", "out"), None);
        assert_eq!(line("x", "hlt"), Some(6));
        let found = [finding("a", "cli"), finding("m::gg", "out")];
        let unused: Vec<_> = list.unused(&found).map(|rule| rule.line).collect();
        assert_eq!(unused, [4, 6]);
    }

    #[test]
    fn a_rule_without_a_part_is_refused_by_line() {
        for (text, problem) in [
            ("a: cli", "no reason"),
            ("a: cli # ", "no reason"),
            ("a cli # why", "no instruction"),
            (": cli # why", "no function or no instruction"),
        ] {
            let message = Allowlist::parse("list", &format!("# list\n{text}\n"))
                .expect_err(text)
                .to_string();
            assert!(message.starts_with(&format!("list:2: {problem} in ")), "{message}");
        }
    }

    #[test]
    fn the_layers_own_lists_depend_on_the_backends() {
        let none = Allowlist::of_parts([]);
        let all = Allowlist::of_parts(PARTS.map(|(name, _)| name.to_owned()));
        let linux = Allowlist::of_parts(["linux_syscall".to_owned()]);
        let inside = finding("paravirt_bsp::backend::linux_syscall::cpu::idle", "syscall");
        assert!(none.rule_for(&inside).is_none());
        assert!(linux.rule_for(&inside).is_some());
        let ring0 = finding("paravirt_bsp::ring0::gdt::load", "lgdt");
        assert!(linux.rule_for(&ring0).is_none());
        assert!(all.rule_for(&ring0).is_some());
        let outside = finding("main", "lgdt");
        assert!(all.rule_for(&outside).is_none());
    }
}
