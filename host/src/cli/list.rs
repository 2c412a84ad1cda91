// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost list`: what a guest asks for.

use std::path::PathBuf;

use paravirt_abi::note::Flags;
use paravirt_abi::signature::Width;
use pvhost::image::{Backend, External, Image, Segment};
use pvhost::provides::{self, Fit, HOSTS, Host, Provides};
use pvhost::text::Escaped;
use serde::Serialize;

use super::{Error, ExitStatus, SUCCESS, Subcommand, json, output, read, say};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost list hello
  pvhost list hello --json | jq -r '.functions[].name'

A slot is the address that holds the function's address at run time. L4RTEMS images carry no prototypes. Memory beside \
the image is for data, unless the image asks to execute it, which is listed, or the user does: `pvhost run \
--executable-memory`.")]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable
    guest: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print the image's segments, too
    #[arg(short, long, conflicts_with = "json")]
    verbose: bool,
}

/// What is listed. Addresses are texts in hexadecimal: not every reader of JSON keeps 64-bit numbers.
/// It borrows what it can: there may be as many functions as an image may have.
#[derive(Serialize)]
struct Listing<'a> {
    file: String,
    machine: String,
    entry: String,
    abi_version: Option<u32>,
    vcpu_page: Option<String>,
    /// Where hypervisors enter it.
    pvh_entry: Option<String>,
    xen_pv_entry: Option<String>,
    no_red_zone: Option<bool>,
    /// Whether it asks for free memory that it may execute.
    executable_memory: bool,
    backends: Vec<&'a str>,
    functions: Vec<Function<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    prototype: Option<String>,
    slot: String,
    hosts: Vec<&'static str>,
    /// The in-guest backends that provide it.
    backends: Vec<&'a str>,
    /// The hosts that provide the name with another prototype.
    mismatches: Vec<Mismatch>,
    /// For an L4RTEMS name, what replaced it.
    successor: Option<&'static str>,
}

#[derive(Serialize)]
struct Mismatch {
    host: &'static str,
    prototype: String,
}

impl Subcommand for Arguments {
    const NAME: &str = "list";
    const ABOUT: &str =
        "Show what a guest asks for: each external function, its prototype and slot, and which host provides it";

    fn run(&self) -> Result<ExitStatus, Error> {
        let image = read::image(&self.guest)?;
        let backends = image.backends();
        let listing = listing(&image, &backends);
        let text = if self.json {
            json::pretty(&listing)?
        } else {
            let segments: &[_] = if self.verbose { image.segments() } else { &[] };
            say::for_stdout(&text(&listing, segments)).into_owned()
        };
        output::print(&text)?;
        Ok(SUCCESS)
    }
}

fn listing<'a>(image: &'a Image, backends: &'a [Backend]) -> Listing<'a> {
    let identity = image.identity();
    // Where a backend is needed, that one is named; the others have nothing for an L4RTEMS image.
    let suits = |host: &&Host| !host.needs_backend() && host.is_for_l4rtems() == image.is_l4rtems();
    let hosts: Vec<_> = HOSTS
        .iter()
        .filter(suits)
        .map(|host| (host.id, host.provides(image.machine())))
        .collect();
    let entries = image.entries();
    Listing {
        file: image.name().to_owned(),
        machine: image.machine().to_string(),
        entry: hexadecimal(image.entry()),
        abi_version: identity.map(|identity| identity.version),
        vcpu_page: image.vcpu_page().map(hexadecimal),
        pvh_entry: entries.pvh.map(hexadecimal),
        xen_pv_entry: entries.xen_pv.map(hexadecimal),
        no_red_zone: identity.map(|identity| identity.flags.contains(Flags::NO_RED_ZONE)),
        executable_memory: image.asks_for_executable_memory(),
        backends: backends.iter().map(|backend| backend.name.as_str()).collect(),
        functions: image
            .externals()
            .iter()
            .map(|external| function(external, image.machine().width(), &hosts, backends))
            .collect(),
    }
}

fn function<'a>(
    external: &'a External,
    width: Width,
    known: &[(&'static str, Provides)],
    backends: &'a [Backend],
) -> Function<'a> {
    let mut hosts = Vec::new();
    let mut mismatches = Vec::new();
    for &(host, ref provides) in known {
        match provides.fit(external, width) {
            Fit::Fits | Fit::Unchecked => hosts.push(host),
            Fit::Mismatch { disagreement } => mismatches.push(Mismatch {
                host,
                prototype: disagreement.offered().to_string(),
            }),
            Fit::Missing => {}
        }
    }
    Function {
        name: &external.name,
        prototype: external.signature.map(|signature| signature.to_string()),
        slot: hexadecimal(external.slot),
        hosts,
        backends: backends
            .iter()
            .filter(|backend| backend.functions.binary_search(&external.name).is_ok())
            .map(|backend| backend.name.as_str())
            .collect(),
        mismatches,
        successor: provides::successor(&external.name),
    }
}

fn text(listing: &Listing<'_>, segments: &[Segment]) -> String {
    let mut text = format!(
        "{}: {}, entry {}, {}\n",
        Escaped(&listing.file),
        listing.machine,
        listing.entry,
        identity(listing)
    );
    if !listing.backends.is_empty() {
        text += &format!("backends: {}\n", listing.backends.join(", "));
    }
    let entries = [("PVH", &listing.pvh_entry), ("Xen PV", &listing.xen_pv_entry)];
    let entries: Vec<_> = entries
        .iter()
        .filter_map(|(name, address)| Some(format!("{name} {}", address.as_ref()?)))
        .collect();
    if !entries.is_empty() {
        text += &format!("further entries: {}\n", entries.join(", "));
    }
    if listing.executable_memory {
        text += "memory beside the image: executable, as a note of the image asks\n";
    }
    for segment in segments {
        let (address, end) = (hexadecimal(segment.address), hexadecimal(segment.end()));
        text += &format!("segment: {address} to {end}, {}\n", segment.access);
    }
    text.push('\n');
    if listing.functions.is_empty() {
        text += "No external functions: it calls none, or its linker script lacks the linkcmds fragment for them.\n";
        return text;
    }
    let in_image = "BACKENDS IN THE IMAGE";
    let mut rows = vec![["FUNCTION", "PROTOTYPE", "SLOT", "PROVIDED BY", in_image].map(str::to_owned)];
    rows.extend(listing.functions.iter().map(|function| {
        [
            function.name.to_owned(),
            function.prototype.clone().unwrap_or_else(|| "?".to_owned()),
            function.slot.clone(),
            provided_by(function),
            or_none(function.backends.join(", ")),
        ]
    }));
    if listing.backends.is_empty() {
        for [.., of_backends] in &mut rows {
            of_backends.clear();
        }
    }
    text + &say::table(&rows)
}

fn identity(listing: &Listing<'_>) -> String {
    match (listing.abi_version, &listing.vcpu_page, listing.no_red_zone) {
        (Some(version), Some(page), Some(no_red_zone)) => {
            let red_zone = if no_red_zone { "no red zone" } else { "red zone" };
            format!("ABI version {version}, vCPU page {page}, {red_zone}")
        }
        _ => "no identity note".to_owned(),
    }
}

fn provided_by(function: &Function<'_>) -> String {
    let name = |id: &str| Host::find(id).map_or(id.to_owned(), |host| host.name.to_owned());
    let mut parts: Vec<_> = function.hosts.iter().map(|host| name(host)).collect();
    for Mismatch { host, prototype } in &function.mismatches {
        parts.push(format!("({}: only as {prototype})", name(host)));
    }
    if let Some(successor) = function.successor {
        parts.push(format!("(L4RTEMS name, now {successor})"));
    }
    or_none(parts.join(", "))
}

fn or_none(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn hexadecimal(address: u64) -> String {
    format!("{address:#x}")
}
