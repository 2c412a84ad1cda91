// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask rtems`: an RTEMS application on this layer, from a user's RTEMS to its output.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::bsp::Bsp;
use super::build;
use super::folders::Folders;
use super::group::{self, Group};
use super::host::{Conditions, Host, Kind, Trees};
use super::location::{self, Location};
use super::results::Entry;
use super::waf::Unbuilt;
use super::{results, samples};
use paravirt_build::workspace::Workspace;
use pvhost::testing::{self, Event, Folder, Options, Signals};

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The BSP
    #[arg(long, value_name = "BSP", default_value = "i386/paravirt")]
    bsp: Bsp,
    /// The folder that RTEMS' tools were installed to
    #[arg(long, value_name = "DIR", env = "RTEMS_PREFIX")]
    prefix: Option<PathBuf>,
    /// RTEMS' source tree, which stays as it is
    #[arg(long, value_name = "DIR", env = "RTEMS_SOURCE")]
    source: Option<PathBuf>,
    /// Further folders with RTEMS build items, for example to leave out what a C-only toolchain cannot build
    #[arg(long, value_name = "DIR", env = "RTEMS_SPECS", value_delimiter = ',')]
    specs: Vec<PathBuf>,
    /// Build only
    #[arg(long)]
    no_run: bool,
    /// Run RTEMS' own test programs of these groups instead of two samples
    #[arg(long, value_name = "GROUP", num_args = 1..)]
    tests: Vec<Group>,
    /// Build and run the example application in Rust instead of two samples
    #[arg(long, conflicts_with_all = ["tests", "host"])]
    rust_example: bool,
    /// Of the test programs, only those with these names
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "tests")]
    only: Vec<String>,
    /// What runs the samples or test programs: without it, a Linux process, but QEMU for another processor than this
    /// machine's
    #[arg(long, value_name = "HOST")]
    host: Option<Kind>,
    #[command(flatten)]
    trees: Trees,
    #[command(flatten)]
    conditions: Conditions,
    /// The build folder of RTEMS' own BSP, for the hosts pc686-qemu and a53-qemu
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// Print what is known of two hosts' results side by side, as Markdown, and run nothing
    #[arg(long, value_name = "HOST", num_args = 2, conflicts_with_all = ["tests", "rust_example"])]
    compare: Vec<Kind>,
    /// Seconds after which a test program is stopped
    #[arg(long, value_name = "SECS", default_value_t = 180)]
    timeout: u64,
    /// Compilers or guests at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

impl Arguments {
    /// Which host.
    fn kind(&self) -> Result<Kind> {
        match self.host {
            Some(kind) => kind.of_bsp(self.bsp),
            None => Ok(Kind::usual(self.bsp)),
        }
    }

    /// Prepares the host.
    fn host(&self, workspace: &Workspace) -> Result<Host> {
        let ports = std::env::current_exe().context("cannot find this program")?;
        Host::prepare(workspace, self.bsp, self.kind()?, &self.trees, self.conditions, &ports)
    }
}

/// Builds and runs. Returns whether everything that ran did what it should.
///
/// # Errors
/// Something does not build or start, or a sample does not print what it should.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    if let [left, right] = arguments.compare[..] {
        return compare_hosts(workspace, arguments.bsp, left, right);
    }
    let kind = arguments.kind()?;
    arguments.trees.check(kind)?;
    arguments.conditions.check(kind)?;
    ensure!(
        !arguments.rust_example || arguments.bsp == Bsp::I386,
        "the example application in Rust is for i386/paravirt"
    );
    if kind == Kind::reference(arguments.bsp) {
        let name = kind.name();
        let Some(reference) = &arguments.reference else {
            bail!("the host {name} needs --reference and the build folder of RTEMS' own BSP");
        };
        ensure!(!arguments.tests.is_empty(), "the host {name} is for --tests");
        return run_tests(workspace, arguments, &testsuites(reference, arguments.bsp)?, &[]);
    }
    let (Some(prefix), Some(source)) = (&arguments.prefix, &arguments.source) else {
        eprintln!("{}", location::what_to_install(arguments.bsp));
        return Ok(false);
    };
    let location = Location::at(prefix, source, arguments.bsp)?;
    let groups = match &arguments.tests[..] {
        [] => &[Group::Samples],
        groups => groups,
    };
    let unbuilt = build::build(workspace, &location, &arguments.specs, groups, arguments.jobs)?;
    let programs = Folders::new(workspace, arguments.bsp).programs;
    if arguments.no_run {
        println!("programs are in {}", workspace.shorten(&programs).display());
        return Ok(failures(&unbuilt).next().is_none());
    }
    if !arguments.tests.is_empty() {
        return run_tests(workspace, arguments, &programs, &unbuilt);
    }
    if arguments.rust_example {
        samples::run_rust_example(workspace, &location)?;
    } else {
        samples::run(workspace, &location, &arguments.host(workspace)?)?;
    }
    conclude(&unbuilt, &mut io::stdout())
}

/// Those that the user's tools should build.
fn failures(unbuilt: &[Unbuilt]) -> impl Iterator<Item = &Unbuilt> {
    unbuilt.iter().filter(|program| program.lacks.is_none())
}

/// Says how a run ends in which all that was started did what it should. Returns whether all was built that these tools
/// can build.
fn conclude(unbuilt: &[Unbuilt], out: &mut impl Write) -> Result<bool> {
    writeln!(out)?;
    if failures(unbuilt).next().is_none() {
        writeln!(out, "rtems: ok")?;
        return Ok(true);
    }
    for program in failures(unbuilt) {
        writeln!(out, "failed: {program}")?;
    }
    Ok(false)
}

fn compare_hosts(workspace: &Workspace, bsp: Bsp, left: Kind, right: Kind) -> Result<bool> {
    let folder = Folders::new(workspace, bsp).results;
    let (here, there) = (
        results::read(&folder, left.name())?,
        results::read(&folder, right.name())?,
    );
    ensure!(
        !here.is_empty() && !there.is_empty(),
        "there are no results of one of the hosts yet; run --tests on both"
    );
    let reasons = results::reasons(workspace, bsp)?;
    let columns = [(left.name(), &here[..]), (right.name(), &there[..])];
    print!("{}", results::side_by_side(columns, &reasons));
    Ok(true)
}

/// Finds the folder `testsuites` of a build folder with the BSP of RTEMS' own that ours is compared with.
fn testsuites(build: &Path, bsp: Bsp) -> Result<PathBuf> {
    let reference = match bsp {
        Bsp::I386 => "i386/pc686",
        Bsp::Aarch64 => "aarch64/a53_lp64_qemu",
    };
    [build.to_owned(), build.join(reference)]
        .into_iter()
        .map(|folder| folder.join("testsuites"))
        .find(|folder| folder.is_dir())
        .with_context(|| format!("there is no {reference}/testsuites in {}", build.display()))
}

fn run_tests(workspace: &Workspace, arguments: &Arguments, testsuites: &Path, unbuilt: &[Unbuilt]) -> Result<bool> {
    let host = arguments.host(workspace)?;
    let mut programs = Vec::new();
    for group in &arguments.tests {
        let found = group::programs(testsuites, *group, &host)?;
        if found.is_empty() {
            println!("{}: none is built for a BSP with one processor", group.name());
        }
        programs.extend(found);
    }
    let wanted = |name: &String| arguments.only.is_empty() || arguments.only.contains(name);
    let unbuilt = unbuilt.iter().filter(|program| wanted(&program.test));
    let unbuilt: Vec<Entry> = unbuilt.map(Unbuilt::entry).collect();
    programs.retain(|program| {
        // One that was built by earlier tools may still lie there.
        let is_it = |entry: &Entry| entry.group == program.group && entry.test == program.name;
        wanted(&program.name) && !unbuilt.iter().any(is_it)
    });
    ensure!(
        !programs.is_empty() || !unbuilt.is_empty(),
        "there is no such test program"
    );

    let name = host.kind.name();
    let folder = Folders::new(workspace, arguments.bsp).results;
    let total = programs.len();
    println!("running {total} programs on the host {name}{}", arguments.conditions);
    let reasons = results::reasons(workspace, arguments.bsp)?;
    let record = arguments.conditions.record(host.kind);
    let kept = Folder::open(&folder.join(&record))?;
    let options = Options {
        jobs: arguments.jobs.min(host.kind.most_jobs()),
        timeout: Duration::from_secs(arguments.timeout),
        retries: 0,
        folder: Some(&kept),
    };
    let signals = Signals::put_off();
    let mut count = 0;
    let run = testing::run(&host, &programs, &options, &|| signals.caught().is_some(), |event| {
        if let Event::Ended(_, outcome) = event {
            count += 1;
            let entry = Entry::new(outcome, name, &reasons);
            println!(
                "[{count}/{total}] {}: {} ({:.1} s) {}",
                entry.verdict.name(),
                entry.name(),
                entry.seconds,
                entry.note()
            );
        }
    });
    if let Some(error) = run.error {
        return Err(error.into());
    }
    ensure!(
        signals.caught().is_none(),
        "stopped by a signal; results of this run are not recorded"
    );
    let outcomes = run.outcomes.iter();
    let mut entries: Vec<Entry> = outcomes.map(|outcome| Entry::new(outcome, name, &reasons)).collect();
    entries.extend(unbuilt);
    println!("\n{}", results::table(&entries));
    let [text, json] = results::add(&folder, &record, &entries)?;
    println!(
        "all results of this host: {} and {}",
        workspace.shorten(&text).display(),
        workspace.shorten(&json).display()
    );
    let reference = Kind::reference(arguments.bsp);
    if host.kind != reference {
        for worse in results::worse_than(&folder, &Conditions::records(reference), &entries)? {
            println!("passed on {}, not here: {worse}", reference.name());
        }
    }
    let tally = results::tally(&entries);
    for failed in &tally.failed {
        println!("failed: {failed}");
    }
    println!("{tally}");
    Ok(tally.succeeded())
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    #[test]
    fn a_run_is_ok_if_all_was_built_that_the_tools_can_build() {
        let program = |test: &str, lacks| Unbuilt {
            group: "samples".to_owned(),
            test: test.to_owned(),
            lacks,
        };
        let lacks = program("cdtest", Some("i386-rtems6-g++".to_owned()));
        let fails = program("minimum", None);
        let concluded = |unbuilt: &[Unbuilt]| {
            let mut said = Vec::new();
            let ok = conclude(unbuilt, &mut said).expect("memory can be written");
            (ok, String::from_utf8(said).expect("text"))
        };
        for unbuilt in [&[][..], slice::from_ref(&lacks)] {
            assert_eq!(concluded(unbuilt), (true, "\nrtems: ok\n".to_owned()));
        }
        let said = "\nfailed: samples/minimum: does not build, see waf.log\n";
        assert_eq!(concluded(&[lacks, fails]), (false, said.to_owned()));
    }
}
