// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report in JUnit's XML, as GitLab and Jenkins read it; attempts as Maven's Surefire writes them.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use pvhost::testing::{Attempt, Outcome, Verdict};
use pvhost::text::Escaped;

use super::Report;

pub(super) fn xml(report: &Report<'_>) -> String {
    let mut groups: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in report.outcomes {
        groups.entry(&outcome.test.group).or_default().push(outcome);
    }
    let all: Vec<_> = report.outcomes.iter().collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pvhost test\"{}>\n",
        counts(&all, report.time)
    );
    for (group, outcomes) in groups {
        let time = outcomes.iter().map(|outcome| outcome.time()).sum();
        text += &format!(
            "  <testsuite name=\"{}\"{}>\n",
            Attribute(group),
            counts(&outcomes, time)
        );
        for outcome in outcomes {
            text += &case(report, outcome);
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

/// The attributes that say how many there are. What was not run counts as an error: skipped is what need not be run.
fn counts(outcomes: &[&Outcome], time: Duration) -> String {
    let count = |is_one: fn(&Verdict) -> bool| outcomes.iter().filter(|outcome| is_one(&outcome.verdict)).count();
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        outcomes.len(),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
        count(|verdict| matches!(verdict, Verdict::NotRun(_))),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        time.as_secs_f64()
    )
}

fn case(report: &Report<'_>, outcome: &Outcome) -> String {
    let (test, note) = (&outcome.test, report.note(outcome));
    let mut text = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">\n",
        Attribute(&test.group),
        Attribute(&test.name),
        outcome.time().as_secs_f64()
    );
    let before = &outcome.attempts[..outcome.attempts.len().saturating_sub(1)];
    let element = match &outcome.verdict {
        Verdict::Passed(_) => None,
        Verdict::Failed(_) => Some("failure"),
        Verdict::Skipped(_) => Some("skipped"),
        Verdict::NotRun(_) => Some("error"),
    };
    if let Some(element) = element {
        let kept = outcome.attempts.last().map(kept).unwrap_or_default();
        let body = if element == "skipped" {
            String::new()
        } else {
            kept + &outcome.tail
        };
        text += &said(element, &note, &body);
    }
    let element = if outcome.is_flaky() {
        "flakyFailure"
    } else {
        "rerunFailure"
    };
    for attempt in before {
        text += &said(element, attempt.verdict.note(), &kept(attempt));
    }
    if outcome.verdict.is_passed() && !note.is_empty() {
        text += &format!("      <system-out>{}</system-out>\n", Text(&note));
    }
    text + "    </testcase>\n"
}

fn said(element: &str, message: &str, body: &str) -> String {
    let message = Attribute(message);
    format!(
        "      <{element} message=\"{message}\" type=\"{element}\">{}</{element}>\n",
        Text(body)
    )
}

/// Where its output is.
fn kept(attempt: &Attempt) -> String {
    let file = attempt.kept.as_ref();
    file.map_or_else(String::new, |file| format!("output: {}\n", Escaped(file.display())))
}

/// In an attribute, where line breaks would become blanks.
struct Attribute<'a>(&'a str);

impl Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text(&Escaped(self.0).to_string()).fmt(f)
    }
}

/// In an element. What a terminal would not show is escaped as elsewhere; XML 1.0 has no form for most of it.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // As serial lines end lines.
                '\r' if characters.peek() == Some(&'\n') => {}
                '\n' | '\t' => write!(f, "{character}")?,
                _ => write!(f, "{}", Escaped(character))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pvhost::testing::{Expects, Reasons, State, Test};
    use roxmltree::{Document, Node};

    use super::*;

    fn outcome(name: &str, verdicts: &[Verdict], tail: &str) -> Outcome {
        let attempt = |verdict: &Verdict| Attempt {
            state: State::ExpectedPass,
            verdict: verdict.clone(),
            time: Duration::from_millis(250),
            kept: Some(PathBuf::from("logs/a & b.log")),
        };
        Outcome {
            test: Test {
                group: "a<\"group\">".to_owned(),
                name: name.to_owned(),
                file: PathBuf::from("a"),
                part: None,
                expects: Expects::Banner,
            },
            state: State::ExpectedPass,
            verdict: verdicts
                .last()
                .cloned()
                .unwrap_or(Verdict::NotRun("interrupted".to_owned())),
            attempts: verdicts.iter().map(attempt).collect(),
            tail: tail.to_owned(),
        }
    }

    fn named<'a>(case: &Node<'a, 'a>, name: &'a str) -> Vec<Node<'a, 'a>> {
        case.children().filter(|child| child.has_tag_name(name)).collect()
    }

    #[test]
    fn it_is_xml_that_says_the_same() {
        let passed = Verdict::Passed(String::new());
        let failed = || Verdict::Failed("<why>\n".to_owned());
        let hostile = "\0\x1b[31m]]>\r\n\u{ffff}\u{fffe}\u{85}\u{202e}<&>\"'\r\t\u{10ffff}é\u{fffd}";
        let outcomes = [
            outcome("passes", std::slice::from_ref(&passed), ""),
            outcome("a \n\u{1}\"name\"", &[failed(), failed()], hostile),
            outcome("flaky", &[failed(), passed], ""),
            outcome("skipped", &[Verdict::Skipped("RTEMS".to_owned())], "text"),
            outcome("rest", &[], ""),
        ];
        let reasons = "[[exception]]\ntest = \"a<\\\"group\\\">/flaky\"\nwhy = \"jitter\"\n";
        let text = xml(&Report {
            outcomes: &outcomes,
            reasons: &Reasons::parse(reasons).expect("reasons"),
            host: "process",
            time: Duration::from_secs(1),
            signal: None,
        });
        let document = Document::parse(&text).expect("XML");
        let all = document.root_element();
        for node in [all, named(&all, "testsuite")[0]] {
            for (name, count) in [("tests", "5"), ("failures", "1"), ("errors", "1"), ("skipped", "1")] {
                assert_eq!(node.attribute(name), Some(count), "{name}");
            }
        }
        assert_eq!(all.attribute("time"), Some("1.000"));
        let group = named(&all, "testsuite")[0];
        assert_eq!(group.attribute("name"), Some("a<\"group\">"));
        let cases = named(&group, "testcase");
        assert!(
            cases
                .iter()
                .all(|case| case.attribute("classname") == Some("a<\"group\">"))
        );
        let [passes, fails, flaky, skipped, rest] = &cases[..] else {
            panic!("{text}");
        };
        assert_eq!(passes.children().filter(Node::is_element).count(), 0);

        assert_eq!(fails.attribute("name"), Some("a \\n\\u{1}\"name\""));
        let failure = named(fails, "failure")[0];
        assert_eq!(failure.attribute("message"), Some("<why>\\n, in each of 2 attempts"));
        assert_eq!(
            failure.text().expect("output"),
            "output: logs/a & b.log\n\\0\\u{1b}[31m]]>\n\\u{ffff}\\u{fffe}\\u{85}\\u{202e}<&>\"'\\r\t\\u{10ffff}é\u{fffd}"
        );
        assert_eq!(named(fails, "rerunFailure").len(), 1);

        let failure = named(flaky, "flakyFailure")[0];
        assert_eq!(failure.attribute("message"), Some("<why>\\n"));
        let note = named(flaky, "system-out")[0].text().expect("a note");
        assert!(note.contains("attempt 2") && note.contains("jitter"), "{note}");

        assert_eq!(named(skipped, "skipped")[0].attribute("message"), Some("RTEMS"));
        assert_eq!(named(rest, "error")[0].attribute("message"), Some("interrupted"));
    }
}
