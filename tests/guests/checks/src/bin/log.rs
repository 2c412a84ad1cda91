// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of the crate `log`, one for each level, of which the first three are to be seen.
#![no_std]
#![no_main]

use log::{LevelFilter, SetLoggerError, debug, error, info, trace, warn};
use paravirt_bsp::{logger, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

fn main() -> Result<(), SetLoggerError> {
    logger::init(LevelFilter::Info)?;
    error!("number {}", 1);
    warn!("number {}", 2);
    info!(target: "clock", "number {}", 3);
    debug!("number {}", 4);
    trace!("number {}", 5);
    println!("a second logger: {}", logger::init(LevelFilter::Off).is_err());
    Ok(())
}
