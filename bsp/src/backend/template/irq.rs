// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking for what would be interrupts elsewhere.

use paravirt_abi::line;

use super::{console, timer};
use crate::backend::lines;
use crate::{irq, vcpu};

/// Marks the lines pending whose devices want something and, with interrupts on, runs their handlers. At the end of every function
/// that passes time.
pub(super) fn poll() {
    find();
    if vcpu::interrupt_flag().read() != 0 {
        irq::deliver_if_pending();
    }
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
