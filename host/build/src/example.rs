// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of examples whose output is compared with a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::arch::Arch;
use crate::command;
use crate::guests;
use crate::hosts;
use crate::packages::{Package, Run};
use crate::workspace::Workspace;

/// Time after which a run is stopped.
const LIMIT: Duration = Duration::from_secs(60);

/// A run on one architecture.
#[derive(Clone, Debug)]
pub struct Example {
    package: String,
    folder: PathBuf,
    /// The run.
    pub run: Run,
    /// The architecture.
    pub arch: Arch,
}

impl Example {
    /// The runs that `package` wants on any architecture.
    pub fn on_all_architectures(package: &Package) -> impl Iterator<Item = Self> {
        Arch::KNOWN.into_iter().flat_map(move |arch| Self::all(package, arch))
    }

    /// The runs that `package` wants on `arch`.
    pub fn all(package: &Package, arch: Arch) -> impl Iterator<Item = Self> {
        package
            .metadata
            .run
            .iter()
            .filter(move |run| package.metadata.arch.contains(&arch) && run.is_for(arch))
            .map(move |run| Self {
                package: package.name.clone(),
                folder: package.folder.clone(),
                run: run.clone(),
                arch,
            })
    }

    /// The guest's name.
    pub fn guest(&self) -> &str {
        self.run.guest.as_deref().unwrap_or(&self.package)
    }

    /// The guest's ELF.
    ///
    /// # Errors
    /// It was not built.
    pub fn guest_path(&self, workspace: &Workspace) -> Result<PathBuf> {
        let guest = guests::path(workspace, self.arch, self.guest());
        ensure!(guest.is_file(), "{} was not built", guest.display());
        Ok(guest)
    }

    /// What runs where: `GUEST/ARCHITECTURE/HOST`, and options and arguments. Also the name of the test.
    pub fn title(&self) -> String {
        let mut title = format!("{}/{}/{}", self.guest(), self.arch, self.run.host);
        for argument in self.run.host_args.iter().chain(&self.run.args) {
            title.push(' ');
            title.push_str(argument);
        }
        title
    }

    /// The command that runs it.
    ///
    /// # Errors
    /// The guest was not built, or the host does not build.
    pub fn command(&self, workspace: &Workspace) -> Result<Command> {
        hosts::command(workspace, self.arch, &self.run, self.guest_path(workspace)?)
    }

    /// Its standard input.
    ///
    /// # Errors
    /// The file with it cannot be read.
    pub fn input(&self) -> Result<Vec<u8>> {
        let Some(file) = &self.run.stdin_file else {
            return Ok(self.run.stdin.clone().into_bytes());
        };
        let file = self.folder.join(file);
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Returns what it must print.
    ///
    /// # Errors
    /// The file with it cannot be read, or lacks a check that its host is said not to offer.
    pub fn expected(&self) -> Result<String> {
        let path = self.folder.join(&self.run.expect);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        without(&text, &self.run.not_offered).with_context(|| path.display().to_string())
    }

    /// Runs a [`Self::command`], compares output and exit status with what is expected, and returns the output.
    ///
    /// # Errors
    /// The difference; or the command does not start.
    pub fn run_command(&self, command: &Command) -> Result<String> {
        let output = command::feed(&mut command::limited(command, LIMIT), &self.input()?)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = String::from_utf8_lossy(&output.stderr);
        self.judge(&printed, output.status.code(), &messages)?;
        Ok(printed)
    }

    /// Compares output and exit status (`None`: ended by a signal) with what is expected.
    ///
    /// # Errors
    /// The difference, with the host's messages.
    pub fn judge(&self, printed: &str, status: Option<i32>, messages: &str) -> Result<()> {
        if let Some(difference) = difference(&self.expected()?, printed) {
            bail!("{difference}\nits messages: {messages}");
        }
        if status != Some(self.run.status) {
            bail!(
                "expected exit status {}, got {}\nits messages: {messages}",
                self.run.status,
                status.map_or("a signal".to_owned(), |status| status.to_string())
            );
        }
        Ok(())
    }
}

/// What the conformance guest prints on a host that does not offer some checks, each with the reason; `all` is what it
/// prints where every check is ok.
fn without(all: &str, not_offered: &BTreeMap<String, String>) -> Result<String> {
    let mut text = all.to_owned();
    for (check, reason) in not_offered {
        let ok = format!("{check} ... ok\n");
        ensure!(text.contains(&ok), "there is no check `{check}`");
        text = text.replace(&ok, &format!("{check} ... not offered: {reason}\n"));
    }
    let (checks, lacking) = (all.matches(" ... ok\n").count(), not_offered.len());
    let total = |ok, lacking| format!(": {ok} ok, {lacking} not offered, ");
    Ok(text.replace(&total(checks, 0), &total(checks - lacking, lacking)))
}

/// The first line that differs, for people; `None` if nothing does.
pub fn difference(expected: &str, printed: &str) -> Option<String> {
    let [wanted, got]: [Vec<&str>; 2] = [expected, printed].map(|text| text.split('\n').collect());
    let number = (0..wanted.len().max(got.len())).find(|&line| wanted.get(line) != got.get(line))?;
    let [wanted, got] = [wanted, got].map(|lines| match lines.get(number) {
        Some(line) => format!("{line:?}"),
        None => "nothing".to_owned(),
    });
    Some(format!("line {} differs: expected {wanted}, got {got}", number + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            difference("a\nb\n", "a\nc\n").as_deref(),
            Some("line 2 differs: expected \"b\", got \"c\"")
        );
        assert_eq!(
            difference("a\n", "a").as_deref(),
            Some("line 2 differs: expected \"\", got nothing")
        );
        assert_eq!(
            difference("", "x").as_deref(),
            Some("line 1 differs: expected \"\", got \"x\"")
        );
    }

    #[test]
    fn what_a_host_does_not_offer_is_expected_to_be_said_and_counted() {
        let all = "a ... ok\nb ... ok\nguest: 2 ok, 0 not offered, 0 failed\n";
        let lacking = |check: &str| BTreeMap::from([(check.to_owned(), "none here".to_owned())]);
        assert_eq!(without(all, &BTreeMap::new()).expect("nothing to do"), all);
        assert_eq!(
            without(all, &lacking("b")).expect("a check"),
            "a ... ok\nb ... not offered: none here\nguest: 1 ok, 1 not offered, 0 failed\n"
        );
        assert!(without(all, &lacking("c")).is_err());
    }
}
