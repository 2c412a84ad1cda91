// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost audit`: privileged and sensitive instructions left in a guest.

use std::path::{Path, PathBuf};

use pvhost::audit::{self, Allowlist, Audit, Finding};
use pvhost::image::Image;
use pvhost::text::{Escaped, beginning};
use serde::Serialize;

use super::say::BAD;
use super::{Error, ExitStatus, FAILURE, SUCCESS, Subcommand, json, output, read, say};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost audit hello
  pvhost audit hello.exe --allow hello.allow
  pvhost audit hello --json | jq '.findings[] | select(.allowed == null)'

A list has one rule a line, each with its reason; `#` at the beginning of a line makes it a comment:
  _CPU_Exception_frame_print: mov with cr2  # no exception reaches it here
A function that ends with `*` stands for all that begin so, the instruction `*` for any. The guest layer's own \
instructions are allowed already.

Exit status: 0 nothing is left that is not allowed, 1 something is, or a rule allows nothing, or an error, 2 wrong \
command line.")]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable for x86-64, i386 or AArch64
    guest: PathBuf,
    /// A list of what is allowed, and why
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing: the exit status tells
    #[arg(short, long, conflicts_with_all = ["json", "verbose"])]
    quiet: bool,
    /// Print what is allowed, too, and why
    #[arg(short, long)]
    verbose: bool,
}

/// What was found. Addresses are texts in hexadecimal: not every reader of JSON keeps 64-bit numbers.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    machine: String,
    clean: bool,
    decoded_bytes: u64,
    findings: Vec<Entry<'a>>,
    unused: Vec<Unused>,
    not_decoded: Vec<NotDecoded>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    /// Why it is allowed; `null` if it is not.
    allowed: Option<String>,
    /// Whether the guest layer's own list allows it.
    of_layer: bool,
}

/// A rule that allows nothing.
#[derive(Serialize)]
struct Unused {
    file: String,
    line: usize,
    function: String,
    instruction: String,
}

#[derive(Serialize)]
struct NotDecoded {
    address: String,
    bytes: u64,
    reason: String,
}

impl Subcommand for Arguments {
    const NAME: &str = "audit";
    const ABOUT: &str = "List privileged and sensitive instructions left in a guest, by function";

    fn run(&self) -> Result<ExitStatus, Error> {
        let file = self.allow.as_deref().unwrap_or(Path::new(""));
        if let Err(refusal) = read::check_stdin(&[&self.guest, file]) {
            return Ok(super::print_refusal(refusal));
        }
        let image = read::image(&self.guest)?;
        let allowlist = match &self.allow {
            Some(file) => allowlist(file)?,
            None => Allowlist::default(),
        };
        let audit = audit::audit(&image)?;
        let report = report(&image, &audit, &allowlist, file);
        if self.json {
            output::print(&json::pretty(&report)?)?;
        } else if !self.quiet {
            output::print(&say::for_stdout(&text(&report, self.verbose)))?;
        }
        Ok(if report.clean { SUCCESS } else { FAILURE })
    }
}

fn allowlist(file: &Path) -> Result<Allowlist, Error> {
    let text = read::list(file, "one `function: instruction  # reason` a line")?;
    Ok(Allowlist::parse(&file.display().to_string(), &text)?)
}

fn report<'a>(image: &Image, audit: &'a Audit, allowlist: &Allowlist, file: &Path) -> Report<'a> {
    let layer = Allowlist::of_layer(image);
    let findings: Vec<_> = audit
        .findings
        .iter()
        .map(|finding| entry(finding, allowlist, &layer))
        .collect();
    let unused: Vec<_> = allowlist
        .unused(&audit.findings)
        .map(|rule| Unused {
            file: file.display().to_string(),
            line: rule.line,
            function: rule.function.clone(),
            instruction: rule.instruction.clone(),
        })
        .collect();
    Report {
        file: image.name().to_owned(),
        machine: image.machine().to_string(),
        clean: unused.is_empty() && findings.iter().all(|finding| finding.allowed.is_some()),
        decoded_bytes: audit.decoded,
        findings,
        unused,
        not_decoded: audit
            .gaps
            .iter()
            .map(|gap| NotDecoded {
                address: format!("{:#x}", gap.address),
                bytes: gap.size,
                reason: gap.reason.to_string(),
            })
            .collect(),
    }
}

fn entry<'a>(finding: &'a Finding, allowlist: &Allowlist, layer: &Allowlist) -> Entry<'a> {
    let by_user = allowlist.rule_for(finding);
    let by_layer = layer.rule_for(finding);
    Entry {
        finding,
        allowed: by_user.or(by_layer).map(|rule| rule.reason.clone()),
        of_layer: by_user.is_none() && by_layer.is_some(),
    }
}

fn text(report: &Report<'_>, verbose: bool) -> String {
    let mut text = String::new();
    let mut before = None;
    for entry in report.findings.iter().filter(|e| e.allowed.is_none()) {
        // One heading, in the form of a rule, for all places in one function.
        let Finding {
            function,
            instruction,
            address,
            disassembly,
            class,
            why,
        } = entry.finding;
        let heading = (function, instruction);
        if before.replace(heading) != Some(heading) {
            let class = class.name();
            text += &format!("{BAD}{function}: {instruction}{BAD:#}  # {class}: {why}\n");
        }
        text += &format!("    {address:#x}  {disassembly}\n");
    }
    if verbose {
        let allowed = |entry: &Entry<'_>| {
            let reason = entry.allowed.as_ref().map(Escaped)?;
            let Finding {
                function,
                instruction,
                address,
                disassembly,
                ..
            } = entry.finding;
            Some(format!(
                "allowed: {function}: {instruction}  # {reason}\n    {address:#x}  {disassembly}\n"
            ))
        };
        text.extend(report.findings.iter().filter_map(allowed));
    }
    for rule in &report.unused {
        text += &format!(
            "{}:{}: nothing in the image is allowed by `{}: {}`; remove the rule, or correct it\n",
            Escaped(&rule.file),
            rule.line,
            Escaped(beginning(&rule.function)),
            Escaped(beginning(&rule.instruction))
        );
    }
    for gap in &report.not_decoded {
        text += &format!("not decoded: {} bytes at {}: {}\n", gap.bytes, gap.address, gap.reason);
    }
    let count = |found: fn(&&Entry<'_>) -> bool| report.findings.iter().filter(found).count();
    text + &format!(
        "{} ({}): {} not allowed, {} allowed, {} of the guest layer; {} bytes decoded\n",
        Escaped(&report.file),
        report.machine,
        count(|entry| entry.allowed.is_none()),
        count(|entry| entry.allowed.is_some() && !entry.of_layer),
        count(|entry| entry.of_layer),
        report.decoded_bytes
    )
}
