// SPDX-License-Identifier: MIT OR Apache-2.0
//! [`signals`] where there is only a kernel: `test-trace SIGNAL PAGE WINDOW END COMMAND ..`, the numbers as
//! [`Places::new`] takes them.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::Traced;
use crate::signals::{self, Places};

/// After that time the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(300);

/// Does what the program's arguments say.
///
/// # Errors
/// The command's program cannot be traced.
///
/// # Panics
/// If the arguments are others, and as [`signals::check`].
pub fn run(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let numbers: Vec<u64> = (arguments.by_ref().take(4))
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let [signal, page, start, end] = numbers[..] else {
        panic!("four numbers");
    };
    let places = Places::new(i32::try_from(signal).expect("a signal"), page, start..end);
    // Input that does not come, and so raises nothing by itself.
    let (reader, _writer) = io::pipe()?;
    let mut command = Command::new(arguments.next().expect("a command"));
    command.args(arguments).stdin(reader);
    signals::check(Traced::spawn(&mut command, LIMIT)?, places)
}
