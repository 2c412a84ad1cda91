// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost bind`: a copy of a guest with the host's addresses in its slots.

use std::path::PathBuf;

use pvhost::bind::{self, Bound, Slot};
use pvhost::image::Image;
use pvhost::provides;
use pvhost::text::Escaped;
use serde::Serialize;

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, json, output, read, say};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost bind hello --provides host.txt -o hello.bound
  pvhost bind hello --provides host.txt --partial -o hello.bound --json

A file of functions has one a line, with its address; `#` begins a comment:
  my_sensor_read fn(u32) -> i32 @ 0x40001000
Nothing but the slots differs from the original. The copy appears under its name when it is complete.

Exit status: 0 the copy is written, 1 it is not, 2 wrong command line.")]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable
    guest: PathBuf,
    /// A file that lists the host's functions and their addresses
    #[arg(long, value_name = "FILE")]
    provides: PathBuf,
    /// Where to write the copy; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Leave slots of functions that the list does not have as they are, instead of refusing
    #[arg(long)]
    partial: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// What was bound. Addresses are texts in hexadecimal: not every reader of JSON keeps 64-bit numbers.
#[derive(Serialize)]
struct Report {
    file: String,
    machine: String,
    output: String,
    bound: usize,
    slots: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    slot: String,
    /// `null`: as it was.
    address: Option<String>,
    /// Whether both sides say the prototype.
    checked: bool,
}

impl Subcommand for Arguments {
    const NAME: &str = "bind";
    const ABOUT: &str = "Write a copy of a guest whose slots hold fixed addresses, for hosts whose functions have such";

    fn run(&self) -> Result<ExitStatus, Error> {
        let list = &self.provides;
        if let Err(refusal) = read::check_stdin(&[&self.guest, list]) {
            return Ok(super::print_refusal(refusal));
        }
        let image = read::image(&self.guest)?;
        let functions = read::list(list, "the host's functions and their addresses")?;
        let width = image.machine().width();
        let provides = provides::parse(&list.display().to_string(), &functions, width)?;
        let bound = bind::bind(&image, &provides, self.partial)?;
        let report = report(&image, self, &bound);
        let summary = if self.json {
            json::pretty(&report)?
        } else if self.quiet {
            String::new()
        } else {
            text(&report)
        };
        let inputs = [self.guest.as_path(), list];
        let mode = Mode::Of(read::name(&self.guest));
        output::write(&self.output, &bound.file, mode, &inputs, &summary)?;
        Ok(SUCCESS)
    }
}

fn report(image: &Image, arguments: &Arguments, bound: &Bound) -> Report {
    Report {
        file: image.name().to_owned(),
        machine: image.machine().to_string(),
        output: arguments.output.display().to_string(),
        bound: bound.slots.iter().filter(|slot| slot.address.is_some()).count(),
        slots: bound.slots.iter().map(entry).collect(),
    }
}

fn entry(slot: &Slot) -> Entry {
    Entry {
        name: slot.name.clone(),
        slot: format!("{:#x}", slot.slot),
        address: slot.address.map(|address| format!("{address:#x}")),
        checked: slot.checked,
    }
}

fn text(report: &Report) -> String {
    let mut rows = vec![["FUNCTION", "SLOT", "ADDRESS"].map(str::to_owned)];
    rows.extend(report.slots.iter().map(|entry| {
        let address = entry.address.clone();
        [
            entry.name.clone(),
            entry.slot.clone(),
            address.unwrap_or_else(|| "as it was".to_owned()),
        ]
    }));
    let mut text = say::table(&rows);
    let bound = report.slots.iter().filter(|entry| entry.address.is_some());
    let unchecked = bound.filter(|entry| !entry.checked).count();
    if unchecked > 0 {
        text += &format!("unchecked: {unchecked} without a prototype to compare\n");
    }
    text + &format!(
        "{}: {} of {} slots bound ({})\n",
        Escaped(&report.output),
        report.bound,
        report.slots.len(),
        report.machine
    )
}
