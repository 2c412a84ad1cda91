// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host qemu|xen`: runs a guest in QEMU.

use pvhost::emulator::{self, Exit, Options, Platform};
use pvhost::image::{Image, check_loadable};
use pvhost::provides::{Fit, Host};

use super::{Arguments, Error, ExitStatus};

/// Runs the guest; its end is the program's.
pub(super) fn run(
    image: &Image,
    platform: Platform,
    arguments: &Arguments,
) -> Result<ExitStatus, Error> {
    warn_of_missing(image, platform);
    let options = Options {
        platform,
        memory: arguments.memory,
        command_line: arguments.command_line(),
        timeout: arguments.timeout,
        icount: arguments.icount,
        verbose: arguments.verbose,
        xen: arguments.xen.clone(),
    };
    let exit = emulator::run(image, &arguments.guest, &options)?;
    match &exit {
        Exit::Timeout => super::say_timeout(),
        Exit::Unknown(reason) => {
            eprintln!("pvhost: error: the guest has not said how it ended: {reason}");
        }
        Exit::Signal(signal) => super::die_by(*signal),
        Exit::Exit(_) | Exit::Reset | Exit::Fatal(_) | Exit::Fault => {}
    }
    Ok(exit.status())
}

/// Says which functions nobody provides: the backend in the image has those of the interface only.
fn warn_of_missing(image: &Image, platform: Platform) {
    let Some(host) = Host::find(platform.name()) else {
        return;
    };
    // An image that is refused needs no warnings.
    if check_loadable(image, &host.policy()).is_err() {
        return;
    }
    let provides = host.provides(image.machine());
    for external in image.externals() {
        let fit = provides.fit(external, image.machine().width());
        if fit == Fit::Missing {
            super::warn_of_unbound(&external.name);
        }
    }
}
