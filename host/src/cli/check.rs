// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost check`: whether a host fits a guest.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use paravirt_abi::signature::Width;
use pvhost::audit::{StateProblem, check_state};
use pvhost::image::{External, Image, ImageError, check_loadable, check_vcpu_page};
use pvhost::provides::{self, Fit, Missing, Nearest, Provides};
use pvhost::text::Escaped;
#[cfg(process_host)]
use pvhost::{
    emulator::{self, VirtualMachine},
    process::Vm,
    provides::Host,
};
use serde::Serialize;

use super::host::HostName;
#[cfg(process_host)]
use super::run::DEFAULT_MEMORY;
use super::say::{BAD, GOOD, ODD};
#[cfg(process_host)]
use super::units;
use super::{Error, ExitStatus, FAILURE, SUCCESS, Subcommand, json, output, read, say};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost check hello --host process
  pvhost check hello --provides functions.txt --json

A file of functions has one a line; `#` begins a comment; a name alone fits any prototype:
  my_sensor_read
  my_sensor_range fn(u32, *mut u8, usize) -> i32
The output of `pvhost header --format json` or `func-list` will do as well.

What `pvhost run` would refuse on this machine before the start is refused, with the same words; but whether QEMU and \
Xen are there is not looked at. Whatever the host, a guest for x86 is refused if its \
functions use AVX-512 or AMX state, which interrupts do not keep; `not judged` means that no function could be looked at.

Exit status: 0 the host fits, 1 it does not, or an error, 2 wrong command line.")]
#[command(group = clap::ArgGroup::new("who").required(true))]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable
    guest: PathBuf,
    /// A host that pvhost knows
    #[arg(long, group = "who", value_enum, value_name = "HOST")]
    host: Option<HostName>,
    /// A file that lists the functions of another host
    #[arg(long, group = "who", value_name = "FILE")]
    provides: Option<PathBuf>,
    /// Memory for the guest beside its image: bytes, or with a unit (KiB, MiB, GiB, short K, M, G)
    #[cfg(process_host)]
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = DEFAULT_MEMORY, conflicts_with = "provides")]
    memory: u64,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing: the exit status tells
    #[arg(short, long, conflicts_with_all = ["json", "verbose"])]
    quiet: bool,
    /// Print what fits, too
    #[arg(short, long)]
    verbose: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: String,
    machine: String,
    host: String,
    /// The same for a reader of text.
    #[serde(skip)]
    shown: String,
    fits: bool,
    /// Why the host would not load the image, whatever it provides.
    refused: Option<String>,
    /// What could not be found out about its code.
    not_judged: Option<String>,
    functions: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    name: String,
    status: Status,
    declared: Option<String>,
    offered: Option<String>,
    nearest: Vec<String>,
    /// What a reader of text is told.
    #[serde(skip)]
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Fits,
    Unchecked,
    Mismatch,
    Missing,
}

impl Status {
    const fn is_good(self) -> bool {
        matches!(self, Self::Fits | Self::Unchecked)
    }
}

impl Subcommand for Arguments {
    const NAME: &str = "check";
    const ABOUT: &str = "Check whether a host provides what a guest asks for, with the same prototypes";

    fn run(&self) -> Result<ExitStatus, Error> {
        let list = self.provides.as_deref().unwrap_or(Path::new(""));
        if let Err(refusal) = read::check_stdin(&[&self.guest, list]) {
            return Ok(super::print_refusal(refusal));
        }
        let image = read::image(&self.guest)?;
        let report = report(image, self)?;
        if self.json {
            output::print(&json::pretty(&report)?)?;
        } else if !self.quiet {
            output::print(&say::for_stdout(&text(&report, self.verbose)))?;
        }
        Ok(if report.fits { SUCCESS } else { FAILURE })
    }
}

fn report(image: Image, arguments: &Arguments) -> Result<Report, Error> {
    let known = arguments.host.map(|name| name.host(&image));
    let (host, shown, provides, loadable) = match (known, &arguments.provides) {
        (Some(host), _) => {
            let loadable = check_loadable(&image, &host.policy());
            (
                host.id.to_owned(),
                host.name.to_owned(),
                host.provides_to(&image),
                loadable,
            )
        }
        (None, Some(file)) => {
            let name = file.display().to_string();
            (name.clone(), name, list(file, &image)?, check_vcpu_page(&image))
        }
        // The command line demands one of them.
        (None, None) => return Err("name a host with --host or --provides".into()),
    };
    let refused = loadable.err().map(|ImageError { problem, .. }| problem.to_string());
    let (mut refused, not_judged) = match refused {
        Some(refused) => (Some(refused), None),
        None => match check_state(&image) {
            Ok(()) => (None, None),
            Err(wide @ StateProblem::Wide { .. }) => (Some(wide.to_string()), None),
            Err(unknown @ StateProblem::Unknown(..)) => (None, Some(unknown.to_string())),
        },
    };
    // To a guest for another processor, a host provides nothing: that the processor is another one says it all.
    let is_judged = known.is_none_or(|host| host.policy().machines.contains(&image.machine()));
    // L4RTEMS images may name one function several times; once is enough to hear of it.
    let mut seen = HashSet::new();
    let mut nearest = Nearest::new(&provides);
    let functions: Vec<_> = image
        .externals()
        .iter()
        .filter(|external| is_judged && seen.insert((&external.name, external.signature)))
        .map(|external| finding(external, &provides, &mut nearest, image.machine().width()))
        .collect();
    let (file, machine) = (image.name().to_owned(), image.machine().to_string());
    #[cfg(process_host)]
    if let (None, Some(known)) = (&refused, known)
        && functions.iter().all(|finding| finding.status != Status::Mismatch)
    {
        refused = refusal_here(image, known, arguments.memory);
    }
    Ok(Report {
        file,
        machine,
        host,
        shown,
        fits: refused.is_none() && functions.iter().all(|finding| finding.status.is_good()),
        refused,
        not_judged,
        functions,
    })
}

/// Why this machine does not run a guest whose image and functions are well.
#[cfg(process_host)]
fn refusal_here(image: Image, host: &Host, memory: u64) -> Option<String> {
    if let Some(platform) = VirtualMachine::find(host.name) {
        let checked = emulator::check(&image, platform, memory);
        return checked.err().map(|error| error.to_string());
    }
    let mut builder = Vm::builder(image).memory(memory);
    if host.is_for_l4rtems() {
        builder = builder.l4rtems();
    }
    let checked = builder.build().and_then(|vm| vm.check());
    checked.err().map(|error| error.to_string())
}

fn list(file: &Path, image: &Image) -> Result<Provides, Error> {
    let name = file.display().to_string();
    let text = read::list(file, "a host's functions")?;
    Ok(provides::parse(&name, &text, image.machine().width())?)
}

fn finding(external: &External, provides: &Provides, nearest: &mut Nearest<'_>, width: Width) -> Finding {
    let name = &external.name;
    let declared = external.signature.map(|signature| signature.to_string());
    let shown = declared
        .as_ref()
        .map_or(name.clone(), |prototype| format!("{name} {prototype}"));
    let (status, offered, nearest, text) = match provides.fit(external, width) {
        Fit::Fits => {
            let text = format!("fits: {shown}");
            (Status::Fits, external.signature, Vec::new(), text)
        }
        Fit::Unchecked => {
            let text = format!("unchecked: {shown}");
            (Status::Unchecked, None, Vec::new(), text)
        }
        Fit::Mismatch { disagreement } => {
            let text = format!("mismatch: {}", disagreement.entry());
            let offered = Some(disagreement.offered());
            (Status::Mismatch, offered, Vec::new(), text)
        }
        Fit::Missing => {
            let nearest = nearest.to(name);
            let text = Missing {
                external,
                nearest: &nearest,
            }
            .to_string();
            (Status::Missing, None, nearest, text)
        }
    };
    Finding {
        name: name.clone(),
        status,
        declared,
        offered: offered.map(|signature| signature.to_string()),
        nearest,
        text,
    }
}

fn text(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    if let Some(refused) = &report.refused {
        text += &format!("{BAD}refused:{BAD:#} {refused}\n");
    }
    if let Some(not_judged) = &report.not_judged {
        text += &format!("{ODD}not judged:{ODD:#} {not_judged}\n");
    }
    for Finding { status, text: line, .. } in &report.functions {
        if status.is_good() && !verbose {
            continue;
        }
        let style = match status {
            Status::Fits => GOOD,
            Status::Unchecked => ODD,
            Status::Mismatch | Status::Missing => BAD,
        };
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        text += &format!("{style}{kind}{style:#} {rest}\n");
    }
    let unchecked = report
        .functions
        .iter()
        .filter(|finding| finding.status == Status::Unchecked)
        .count();
    if unchecked > 0 {
        text += &format!("{ODD}unchecked:{ODD:#} {unchecked} without a prototype to compare\n");
    }
    let (style, verdict) = if report.fits {
        (GOOD, "fits")
    } else {
        (BAD, "does not fit")
    };
    text += &format!(
        "{} {style}{verdict}{style:#} {} ({})",
        Escaped(&report.shown),
        Escaped(&report.file),
        report.machine
    );
    // What a host provides is no consolation where it does not load the image.
    if report.refused.is_none() {
        let good = report.functions.iter().filter(|f| f.status.is_good());
        text += &format!(": {} of {} functions provided", good.count(), report.functions.len());
    }
    text.push('\n');
    text
}
