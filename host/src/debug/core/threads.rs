// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads of a guest: RTEMS' tasks, or the one that there is.

use std::collections::HashSet;

use super::Thread;
use crate::debug::memory::ReadMemory;
use crate::debug::tasks::{Task, tasks};
use crate::image::Image;

/// The threads of a guest of that image: that which runs, then RTEMS' other tasks of which registers are known, each
/// with its identifier for a number. Without tasks, or if they are not known, it is that which runs.
#[must_use]
pub fn threads(image: &Image, memory: &dyn ReadMemory, running: Thread) -> Vec<Thread> {
    of_tasks(&tasks(image, memory).unwrap_or_default(), running)
}

fn of_tasks(tasks: &[Task], mut running: Thread) -> Vec<Thread> {
    if let Some(task) = tasks.iter().find(|task| task.is_executing && task.id != 0) {
        running.id = task.id;
    }
    // A guest may have written anything there.
    let mut ids = HashSet::from([0, running.id]);
    let mut threads = vec![running];
    for task in tasks.iter().filter(|task| !task.is_executing) {
        if let Some(registers) = task.registers.filter(|_| ids.insert(task.id)) {
            threads.push(Thread {
                id: task.id,
                registers: registers.into(),
                units: None,
                fs_base: 0,
            });
        }
    }
    threads
}

#[cfg(test)]
mod tests {
    use paravirt_host_core::fault::Registers;

    use super::*;
    use crate::debug::tasks::SavedRegisters;

    fn running() -> Thread {
        Thread {
            id: 1,
            registers: Registers::default(),
            units: None,
            fs_base: 0,
        }
    }

    fn task(id: u32, eip: Option<u32>, is_executing: bool) -> Task {
        let registers = eip.map(|eip| SavedRegisters {
            ebx: 0,
            esi: 0,
            edi: 0,
            ebp: 0,
            esp: 0,
            eip,
            eflags: 0,
        });
        Task {
            id,
            name: String::new(),
            state: String::new(),
            priority: 0,
            registers,
            stack: 0..0,
            is_executing,
        }
    }

    #[test]
    fn a_guest_without_tasks_is_one_thread() {
        assert_eq!(of_tasks(&[], running()), [running()]);
    }

    #[test]
    fn what_runs_comes_first_and_each_number_once() {
        let tasks = [
            task(7, Some(0x70), false),
            task(8, None, false),
            task(9, Some(0x90), true),
            task(7, Some(0x71), false),
            task(0, Some(1), false),
            task(9, Some(0x91), false),
            task(6, Some(0x60), false),
        ];
        let threads = of_tasks(&tasks, running());
        let found: Vec<_> = threads
            .iter()
            .map(|thread| (thread.id, thread.registers.instruction))
            .collect();
        assert_eq!(found, [(9, 0), (7, 0x70), (6, 0x60)]);
    }
}
