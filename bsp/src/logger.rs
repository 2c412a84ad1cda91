// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crate `log` on the console.
//!
//! ```no_run
//! use log::{LevelFilter, info};
//! use paravirt_bsp::logger;
//!
//! fn run() -> Result<(), log::SetLoggerError> {
//!     logger::init(LevelFilter::Info)?;
//!     info!("up"); // [    0.000123 INFO  guest] up
//!     Ok(())
//! }
//! # fn main() {}
//! ```

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};

use crate::clock::Instant;
use crate::{console, println};

struct ConsoleLogger;

static LOGGER: ConsoleLogger = ConsoleLogger;

/// Prints records of level `most` and of more serious ones from now on.
///
/// # Errors
/// The image has a logger already.
pub fn init(most: LevelFilter) -> Result<(), SetLoggerError> {
    log::set_logger(&LOGGER)?;
    log::set_max_level(most);
    Ok(())
}

impl Log for ConsoleLogger {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    /// Time since the guest's start in seconds, level, target, text.
    fn log(&self, record: &Record<'_>) {
        const US_PER_S: u64 = 1_000_000;
        let us = Instant::now().as_nanos() / 1000;
        println!(
            "[{:5}.{:06} {:5} {}] {}",
            us / US_PER_S,
            us % US_PER_S,
            record.level(),
            record.target(),
            record.args()
        );
    }

    fn flush(&self) {
        // A logger's errors have nobody to go to.
        let _ = console::flush();
    }
}
