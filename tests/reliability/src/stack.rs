// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interrupt takes of the interrupted stack, which may be a small one.

use std::time::Duration;

use crate::guest::{self, Arch};

/// After that time the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Lets a guest measure it, which fails if that is too much: on the process host, and as an ordinary Linux program,
/// where interrupts are signals.
///
/// # Panics
/// If it is too much.
pub fn check(arch: Arch) {
    let outcome = guest::run(guest::open(arch, "stack"), LIMIT, |builder| builder);
    print!("{arch}: {}", outcome.printed);
    let path = test_support::guest(arch, "stack");
    print!("{arch}: {}", guest::run_native(&path, &[], LIMIT));
}
