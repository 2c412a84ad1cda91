// SPDX-License-Identifier: MIT OR Apache-2.0
//! The nodes that are run, and what each must print.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::kernel::SLOT;
use super::node::Node;
use super::tree::Kind;
use paravirt_build::arch::Arch;
use paravirt_build::example::{Example, difference};
use paravirt_build::packages::Package;
use paravirt_build::workspace::Workspace;

/// All of them.
pub const ALL: [Node; 4] = [
    Node {
        name: "hello",
        partitions: &[("hello", "")],
        allow: None,
        input: &[],
        judge: |workspace, _, printed| as_expected(workspace, "hello/expected.txt", printed),
    },
    Node {
        name: "ticker",
        partitions: &[("ticker", "50")],
        allow: None,
        input: &[],
        judge: |workspace, _, printed| as_expected(workspace, "ticker/expected.txt", printed),
    },
    Node {
        name: "two-partitions",
        partitions: &[("watch", "red 70 12"), ("watch", "blue 100 9")],
        allow: None,
        input: &[],
        judge: |_, _, printed| side_by_side(printed),
    },
    Node {
        name: "conformance",
        partitions: &[("conformance", "all")],
        allow: Some("tests/guests/checks/registers.allow"),
        input: include_bytes!("../../../../examples/conformance/input.bin"),
        judge: |workspace, kind, printed| {
            let host = match kind {
                Kind::Maintained => "pok",
                Kind::Fork => "pok-fork",
            };
            let packages = Package::all(workspace)?;
            let mut examples = packages.iter().flat_map(|package| Example::all(package, Arch::I386));
            let example = examples
                .find(|example| example.run.host == host)
                .with_context(|| format!("no manifest has a run on {host}"))?;
            compare(&example.expected()?, &example.title(), printed)
        },
    },
];

/// The last line of a partition that did what it should.
fn end(partition: usize) -> String {
    format!("paravirt: partition {partition}: shutdown exit 0")
}

/// Compares with what a file of `examples` says.
fn as_expected(workspace: &Workspace, file: &str, printed: &[String]) -> Result<()> {
    let path = workspace.root().join("examples").join(file);
    let expected = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    compare(&expected, &path.display().to_string(), printed)
}

/// Compares with what is expected by what has that name, and the partition's last line.
fn compare(expected: &str, name: &str, printed: &[String]) -> Result<()> {
    match difference(&format!("{}\n{}", expected.trim_end(), end(0)), &printed.join("\n")) {
        Some(difference) => bail!("not what {name} says: {difference}"),
        None => Ok(()),
    }
}

/// Two `watch` guests: whole lines of each, at the times of its own clock, mixed with the other's.
fn side_by_side(printed: &[String]) -> Result<()> {
    for (number, name, period, count) in [(0, "red", 70, 12), (1, "blue", 100, 9)] {
        let own: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix(name)).collect();
        ensure!(own.len() == count, "{} lines of {name}", own.len());
        for (expiration, line) in (1..).zip(own) {
            on_time(line, expiration, period).with_context(|| format!("{name}: {line:?}"))?;
        }
        ensure!(printed.contains(&end(number)), "{name} did not end well");
    }
    let switches = printed
        .windows(2)
        .filter(|lines| lines[0].chars().next() != lines[1].chars().next())
        .count();
    ensure!(switches > 10, "one ran after the other");
    Ok(())
}

/// A line ` 3: 210 ms`. It may be late by the other partition's slot and by the millisecond in which the scheduler
/// looks at sleepers, at the begin and at the end of a slot.
fn on_time(line: &str, expiration: u64, period: u64) -> Result<()> {
    const LATE: u64 = SLOT / 1_000_000 + 2;
    let time: u64 = line
        .strip_prefix(&format!(" {expiration}: "))
        .and_then(|rest| rest.strip_suffix(" ms"))
        .context("another line was due")?
        .parse()?;
    let due = expiration * period;
    ensure!((due..=due + LATE).contains(&time), "due at {due} ms");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_on_time_within_the_other_s_slot() {
        for (line, good) in [
            (" 3: 210 ms", true),
            (" 3: 222 ms", true),
            (" 3: 209 ms", false),
            (" 3: 223 ms", false),
            (" 2: 140 ms", false),
            (" 3: 210", false),
        ] {
            assert_eq!(on_time(line, 3, 70).is_ok(), good, "{line}");
        }
    }
}
