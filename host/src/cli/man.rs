// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost man`: the manual's pages.

use std::io;
use std::path::PathBuf;

use pvhost::text::Escaped;

use super::{Error, ExitStatus, SUCCESS, Subcommand, command_line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost man ~/.local/share/man/man1")]
pub(super) struct Arguments {
    /// The folder
    folder: PathBuf,
}

/// The pages could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write manual pages to {folder}: {source}; give a folder that exists", folder = Escaped(folder))]
struct ManError {
    folder: String,
    source: io::Error,
}

impl Subcommand for Arguments {
    const NAME: &str = "man";
    const ABOUT: &str =
        "Write the manual's pages, one for pvhost and one for each command, into a folder";

    fn run(&self) -> Result<ExitStatus, Error> {
        clap_mangen::generate_to(command_line(), &self.folder).map_err(|source| ManError {
            folder: self.folder.display().to_string(),
            source,
        })?;
        Ok(SUCCESS)
    }
}
