// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a debugger sees as threads: RTEMS' tasks, or, of a guest without, the one that there is.

use std::collections::HashSet;

use gdbstub::common::Tid;
use paravirt_abi::signature::Width;

use super::Machine;
use super::architecture::Shown;
use crate::debug::registers::Registers;
use crate::debug::tasks::{SavedRegisters, Task, tasks};
use crate::text::Escaped;

/// More tasks are not shown: each is named to the debugger at each stop.
const MOST: usize = 1000;

/// One of them.
#[derive(Debug)]
pub(super) struct Thread {
    /// By which the debugger knows it: RTEMS' identifier.
    pub(super) tid: Tid,
    /// What the debugger shows beside it.
    pub(super) description: String,
    /// Where it goes on; `None`: it is the one that runs, and has the processor's registers.
    pub(super) registers: Option<Shown>,
}

/// All of them, with the one that runs first.
pub(super) fn threads(machine: &impl Machine) -> Vec<Thread> {
    let tasks = tasks(machine.image(), machine).unwrap_or_default();
    let mut seen = HashSet::new();
    let mut threads: Vec<_> = (tasks.iter())
        .filter_map(|task| Some((task.is_executing, thread(task)?)))
        .filter(|(_, thread)| seen.insert(thread.tid))
        .take(MOST)
        .collect();
    let running = threads.iter().position(|(is_executing, _)| *is_executing);
    let running = running.map_or_else(outside, |index| threads.remove(index).1);
    [running]
        .into_iter()
        .chain(threads.into_iter().map(|(_, thread)| thread))
        .collect()
}

/// What runs where no task does: a guest without, or one that is starting.
fn outside() -> Thread {
    Thread {
        tid: Tid::MIN,
        description: "guest".to_owned(),
        registers: None,
    }
}

fn thread(task: &Task) -> Option<Thread> {
    let Task {
        name, state, priority, ..
    } = task;
    let registers = match (task.is_executing, task.registers) {
        (true, _) => None,
        (false, Some(saved)) => Some(shown(saved)),
        // Nobody knows where it goes on.
        (false, None) => return None,
    };
    Some(Thread {
        tid: Tid::new(task.id as usize)?,
        description: format!("{}: {state}, priority {priority}", Escaped(name)),
        registers,
    })
}

/// What the kernel's context switch has kept.
fn shown(saved: SavedRegisters) -> Shown {
    /// eax, ecx and edx.
    const NOT_KEPT: u16 = 1 << 0 | 1 << 2 | 1 << 3;
    Shown {
        width: Width::Bits32,
        registers: Registers {
            general: saved.into(),
            ..Registers::default()
        },
        unknown: NOT_KEPT,
    }
}
