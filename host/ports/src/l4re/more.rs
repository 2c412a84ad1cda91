// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of guests that are no examples.

use anyhow::Result;

use super::tree::Tree;
use super::{Machine, console, device, faults, of_2013};
use paravirt_build::workspace::Workspace;

/// Guests of one kind.
pub struct More {
    /// The name by which their runs are chosen.
    pub name: &'static str,
    /// Why they cannot run on that L4Re, if so.
    pub missing: fn(&Tree) -> Option<String>,
    /// Runs and compares them; how many runs it were.
    pub run: fn(&Machine<'_>, &Workspace) -> Result<usize>,
}

/// All.
pub const ALL: [More; 4] = [
    More {
        name: of_2013::NAME,
        missing: of_2013::missing,
        run: of_2013::run,
    },
    More {
        name: device::NAME,
        missing: device::missing,
        run: device::run,
    },
    More {
        name: console::NAME,
        missing: console::missing,
        run: console::run,
    },
    More {
        name: faults::NAME,
        missing: faults::missing,
        run: faults::run,
    },
];
