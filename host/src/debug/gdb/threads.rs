// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a debugger sees as threads: RTEMS' tasks, or, of a guest without, the one that there is.

use gdbstub::common::Tid;

use super::Machine;
use super::architecture::Shown;

/// One of them.
#[derive(Debug)]
pub(super) struct Thread {
    /// By which the debugger knows it.
    pub(super) tid: Tid,
    /// What the debugger shows beside it.
    pub(super) description: String,
    /// Where it goes on; `None`: it is the one that runs, and has the processor's registers.
    pub(super) registers: Option<Shown>,
}

/// All of them, with the one that runs first.
pub(super) fn threads(_machine: &impl Machine) -> Vec<Thread> {
    vec![Thread {
        tid: Tid::MIN,
        description: "guest".to_owned(),
        registers: None,
    }]
}
