// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost man`: the manual's pages.

use std::path::PathBuf;

use clap_mangen::Man;

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, command_line, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost man ~/.local/share/man/man1")]
pub(super) struct Arguments {
    /// The folder, which must exist
    folder: PathBuf,
}

impl Subcommand for Arguments {
    const NAME: &str = "man";
    const ABOUT: &str = "Write the manual's pages, one for pvhost and one for each command, into a folder";

    fn run(&self) -> Result<ExitStatus, Error> {
        let mut command = command_line().disable_help_subcommand(true);
        command.build();
        let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        for command in shown.chain([&command]) {
            let man = Man::new(command.clone());
            let mut page = Vec::new();
            man.render(&mut page)?;
            let file = self.folder.join(man.get_filename());
            output::write(&file, &page, Mode::Usual, &[], "")?;
        }
        Ok(SUCCESS)
    }
}
