// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost header`: what a host has to implement for a guest, in a form to build against.

use std::path::PathBuf;

use paravirt_abi::signature::{Signature, Width};
use paravirt_host_core::agreement::of_abi;
use pvhost::image::{Image, Machine};
use pvhost::text::is_shown;

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, output, read};

mod c;
mod func_list;
mod json;
mod rust;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost header hello -o hello.h
  pvhost header hello --format json -o functions.json && pvhost check other --provides functions.json")]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable
    guest: PathBuf,
    /// What to generate
    #[arg(long, value_enum, default_value_t = Format::C)]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// C and C++ prototypes, and a table of names and prototype words
    C,
    /// Function types, and a table of names and prototype words
    Rust,
    /// Names, prototypes and words; `pvhost check --provides` reads it back
    Json,
    /// One `EF(name)` a line, to include where EF is a macro of yours, as in 2013
    FuncList,
}

/// What the formats have in common.
struct Header<'a> {
    /// The guest's file name, without its folder so that the same guest gives the same header everywhere.
    guest: String,
    machine: Machine,
    abi_version: Option<u32>,
    /// Sorted by name, each once.
    functions: Vec<Function<'a>>,
}

struct Function<'a> {
    name: &'a str,
    signature: Option<Signature>,
}

impl Function<'_> {
    /// The image's prototype, or the ABI's if it has one for that name: a host has to declare the function, even for an image of
    /// 2013.
    fn prototype(&self, width: Width) -> Option<Signature> {
        self.signature.or_else(|| of_abi(self.name, width))
    }
}

impl Subcommand for Arguments {
    const NAME: &str = "header";
    const ABOUT: &str = "Generate what a host has to implement for a guest";

    fn run(&self) -> Result<ExitStatus, Error> {
        let image = read::image(&self.guest)?;
        let header = Header::new(&image, self);
        let text = match self.format {
            Format::FuncList => func_list::format(&header),
            Format::C => c::format(&header),
            Format::Rust => rust::format(&header),
            Format::Json => json::format(&header)?,
        };
        match &self.output {
            None => output::print(&text)?,
            Some(file) => {
                output::write(file, text.as_bytes(), Mode::Usual, &[&self.guest], "")?;
            }
        }
        Ok(SUCCESS)
    }
}

impl<'a> Header<'a> {
    fn new(image: &'a Image, arguments: &Arguments) -> Self {
        let mut functions: Vec<_> = image
            .externals()
            .iter()
            .map(|external| Function {
                name: &external.name,
                signature: external.signature,
            })
            .collect();
        // Of two entries with one name, the one with a prototype comes first and stays.
        functions.sort_by_key(|function| (function.name, function.signature.is_none()));
        functions.dedup_by_key(|function| function.name);
        let name = arguments.guest.file_name().unwrap_or_default();
        Self {
            // It ends up in comments: nothing in it may end one, or be shown as something else.
            guest: name
                .to_string_lossy()
                .replace(|c: char| !is_shown(c) || c == '*' || c == '\\', "?"),
            machine: image.machine(),
            abi_version: image.identity().map(|identity| identity.version),
            functions,
        }
    }
}
