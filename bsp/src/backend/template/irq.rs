// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking for what would be interrupts elsewhere.

use paravirt_bsp::abi::line;
use paravirt_bsp::backend::{entry, lines};

use super::{console, timer};

/// Marks the lines pending whose devices want something and, with interrupts on, runs their handlers. At the end of
/// every function that passes time.
pub(super) fn poll() {
    find();
    entry::deliver();
}

/// Marks the lines pending whose devices want something.
pub(super) fn find() {
    timer::find();
    console::find();
}

/// Opens the host's interrupt flag. There is none, because nothing interrupts.
pub(super) fn open() {}

pub(super) fn start() {
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE {
            console::set_wanted(unmasked);
        }
    });
}
