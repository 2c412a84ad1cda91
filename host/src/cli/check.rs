// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost check`: whether a host fits a guest.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use paravirt_abi::signature::Width;
use pvhost::audit::{StateProblem, check_state};
use pvhost::image::{External, Image, check_loadable};
use pvhost::provides::{self, Fit, HOSTS, Host, Nearest, Provides};
use serde::Serialize;

use super::{Error, ExitStatus, FAILURE, SUCCESS, Subcommand, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost check hello --host linux-process
  pvhost check hello --provides functions.txt --json

A file of functions has one a line; `#` begins a comment; a name alone fits any prototype:
  my_sensor_read
  my_sensor_range fn(u32, *mut u8, usize) -> i32
The output of `pvhost header --format json` or `func-list` will do as well.

Whatever the host, a guest for x86 is refused if its functions use AVX-512 or AMX state, which interrupts do not keep; `not judged`
means that no function could be looked at.

Exit status: 0 the host fits, 1 it does not, or an error, 2 wrong command line.")]
#[command(group = clap::ArgGroup::new("who").required(true))]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable
    guest: PathBuf,
    /// A host that pvhost knows
    #[arg(long, group = "who", value_name = "NAME",
          value_parser = PossibleValuesParser::new(HOSTS.iter().map(|host| host.name)))]
    host: Option<String>,
    /// A file that lists the functions of another host
    #[arg(long, group = "who", value_name = "FILE")]
    provides: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: String,
    machine: String,
    host: String,
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
    /// What a reader of text is told of a mismatch.
    #[serde(skip)]
    mismatch: Option<String>,
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
    const ABOUT: &str =
        "Check whether a host provides what a guest asks for, with the same prototypes";

    fn run(&self) -> Result<ExitStatus, Error> {
        let image = Image::open(&self.guest)?;
        let report = report(&image, self)?;
        let text = if self.json {
            format!("{}\n", serde_json::to_string_pretty(&report)?)
        } else {
            text(&report)
        };
        output::print(&text)?;
        Ok(if report.fits { SUCCESS } else { FAILURE })
    }
}

fn report(image: &Image, arguments: &Arguments) -> Result<Report, Error> {
    let known = arguments.host.as_deref().and_then(Host::find);
    let (host, provides, refused) = match (known, &arguments.provides) {
        (Some(host), _) => (
            host.name.to_owned(),
            host.provides(image.machine()),
            check_loadable(image, &host.policy())
                .err()
                .map(|refusal| refusal.problem.to_string()),
        ),
        (None, Some(file)) => (file.display().to_string(), read(file, image)?, None),
        // The command line demands one of them, and `--host` accepts only known names.
        (None, None) => return Err("name a host with --host or --provides".into()),
    };
    let (refused, not_judged) = match refused {
        Some(refused) => (Some(refused), None),
        None => match check_state(image) {
            Ok(()) => (None, None),
            Err(wide @ StateProblem::Wide { .. }) => (Some(wide.to_string()), None),
            Err(unknown @ StateProblem::Unknown) => (None, Some(unknown.to_string())),
        },
    };
    // Images of 2013 may name one function several times; once is enough to hear of it.
    let mut seen = HashSet::new();
    let mut nearest = Nearest::new(&provides);
    let functions: Vec<_> = image
        .externals()
        .iter()
        .filter(|external| seen.insert((&external.name, external.signature)))
        .map(|external| finding(external, &provides, &mut nearest, image.machine().width()))
        .collect();
    Ok(Report {
        file: image.name().to_owned(),
        machine: image.machine().to_string(),
        host,
        fits: refused.is_none() && functions.iter().all(|finding| finding.status.is_good()),
        refused,
        not_judged,
        functions,
    })
}

fn read(file: &Path, image: &Image) -> Result<Provides, Error> {
    let name = file.display().to_string();
    let text = super::read_list(file)?;
    Ok(provides::parse(&name, &text, image.machine().width())?)
}

fn finding(
    external: &External,
    provides: &Provides,
    nearest: &mut Nearest<'_>,
    width: Width,
) -> Finding {
    let mut mismatch = None;
    let (status, offered, nearest) = match provides.fit(external, width) {
        Fit::Fits => (Status::Fits, external.signature, Vec::new()),
        Fit::Unchecked => (Status::Unchecked, None, Vec::new()),
        Fit::Mismatch { disagreement } => {
            mismatch = Some(disagreement.entry());
            (Status::Mismatch, Some(disagreement.offered()), Vec::new())
        }
        Fit::Missing => (Status::Missing, None, nearest.to(&external.name)),
    };
    Finding {
        name: external.name.clone(),
        status,
        declared: external.signature.map(|signature| signature.to_string()),
        offered: offered.map(|signature| signature.to_string()),
        nearest,
        mismatch,
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(refused) = &report.refused {
        text += &format!("refused: {refused}\n");
    }
    if let Some(not_judged) = &report.not_judged {
        text += &format!("not judged: {not_judged}\n");
    }
    for finding in &report.functions {
        let Finding { name, nearest, .. } = finding;
        if let Some(mismatch) = &finding.mismatch {
            text += &format!("mismatch: {mismatch}\n");
        } else if !nearest.is_empty() {
            text += &format!("missing: {name} (did you mean {}?)\n", nearest.join(", "));
        } else if finding.status == Status::Missing {
            text += &format!("missing: {name}\n");
        }
    }
    let unchecked = report
        .functions
        .iter()
        .filter(|finding| finding.status == Status::Unchecked)
        .count();
    if unchecked > 0 {
        text += &format!("unchecked: {unchecked} without a prototype to compare\n");
    }
    let good = report.functions.iter().filter(|f| f.status.is_good());
    let verdict = if report.fits { "fits" } else { "does not fit" };
    text + &format!(
        "{} {verdict} {} ({}): {} of {} functions provided\n",
        report.host,
        report.file,
        report.machine,
        good.count(),
        report.functions.len()
    )
}
