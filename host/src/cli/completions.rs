// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost completions`: what a shell needs to complete command lines.

use clap_complete::{Shell, generate};

use super::{Error, ExitStatus, SUCCESS, Subcommand, command_line, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost completions bash > ~/.local/share/bash-completion/completions/pvhost
  pvhost completions fish > ~/.config/fish/completions/pvhost.fish")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

impl Subcommand for Arguments {
    const NAME: &str = "completions";
    const ABOUT: &str = "Print what a shell needs to complete command lines of pvhost";

    fn run(&self) -> Result<ExitStatus, Error> {
        let mut script = Vec::new();
        generate(self.shell, &mut command_line(), "pvhost", &mut script);
        output::print(&String::from_utf8(script)?)?;
        Ok(SUCCESS)
    }
}
