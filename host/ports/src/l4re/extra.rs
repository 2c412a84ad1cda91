// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of guests that are no examples.

use anyhow::Result;

use super::tree::Tree;
use super::{Machine, console, device, faults, l4rtems};
use paravirt_build::workspace::Workspace;

/// Guests of one kind.
pub struct ExtraRuns {
    /// The name by which their runs are chosen.
    pub name: &'static str,
    /// Why they cannot run on that L4Re, if so.
    pub missing: fn(&Tree) -> Option<String>,
    /// Runs and compares them; how many runs it were.
    pub run: fn(&Machine<'_>, &Workspace) -> Result<usize>,
}

/// All.
pub const ALL: [ExtraRuns; 4] = [
    ExtraRuns {
        name: l4rtems::NAME,
        missing: l4rtems::missing,
        run: l4rtems::run,
    },
    ExtraRuns {
        name: device::NAME,
        missing: device::missing,
        run: device::run,
    },
    ExtraRuns {
        name: console::NAME,
        missing: console::missing,
        run: console::run,
    },
    ExtraRuns {
        name: faults::NAME,
        missing: faults::missing,
        run: faults::run,
    },
];
