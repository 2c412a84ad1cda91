// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost header`: what a host has to implement for a guest, in a form to build against.

use std::path::PathBuf;

use pvhost::header::Header;

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, output, read};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost header hello -o hello.h
  pvhost header hello --format json -o functions.json
  pvhost check other --provides functions.json")]
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
    /// One `EF(name)` a line, to include where EF is a macro of yours, as in L4RTEMS
    FuncList,
}

impl Subcommand for Arguments {
    const NAME: &str = "header";
    const ABOUT: &str = "Generate what a host has to implement for a guest";

    fn run(&self) -> Result<ExitStatus, Error> {
        let image = read::image(&self.guest)?;
        let name = self.guest.file_name().unwrap_or_default();
        let header = Header::new(&image, &name.to_string_lossy());
        let text = match self.format {
            Format::FuncList => header.func_list(),
            Format::C => header.c(),
            Format::Rust => header.rust(),
            Format::Json => header.json()?,
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
