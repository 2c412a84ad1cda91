// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost image`: a guest as the image of a kernel, which Xen's tools and boot loaders for AArch64 take.

use std::path::PathBuf;

use pvhost::emulator;
use pvhost::text::Escaped;

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, output, read};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pvhost image hello -o hello.image

Xen loads no ELF file on AArch64. The result is for `kernel` in a domain of xl, for a domain that Xen builds from its \
device tree, or for the one that controls the machine; the guest carries a backend for Xen. For `pvhost run --host \
xen-domu` it is not needed.

Exit status: 0 the image is written, 1 it is not, 2 wrong command line.")]
pub(super) struct Arguments {
    /// The guest, a linked ELF executable for AArch64
    guest: PathBuf,
    /// Where to write the image; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

impl Subcommand for Arguments {
    const NAME: &str = "image";
    const ABOUT: &str = "Write a guest for AArch64 as the image of a kernel, for Xen's tools and boot loaders";

    fn run(&self) -> Result<ExitStatus, Error> {
        let image = read::image(&self.guest)?;
        let flat = emulator::kernel_image(&image)?;
        let summary = if self.quiet {
            String::new()
        } else {
            let name = self.output.display().to_string();
            format!("{}: {} bytes\n", Escaped(&name), flat.len())
        };
        let guest = read::name(&self.guest);
        output::write(&self.output, &flat, Mode::Of(guest), &[&self.guest], &summary)?;
        Ok(SUCCESS)
    }
}
