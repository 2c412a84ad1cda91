// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking for what would be interrupts elsewhere.

use paravirt_abi::line;

use super::{console, timer};
use crate::backend::{entry, lines};

/// Marks the lines pending whose devices want something and, with interrupts on, runs their handlers. At the end of
/// every function that an application may call to pass or to measure time.
pub(super) fn poll() {
    find();
    entry::deliver();
}

/// Marks the lines pending whose devices want something.
pub(super) fn find() {
    timer::find();
    console::find();
}

/// POK has no flag that an entry could have left off, because nothing enters.
pub(super) fn open() {}

pub(super) fn start() {
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE {
            console::set_wanted(unmasked);
        }
    });
}
