// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads of a guest: RTEMS' tasks, or the one that there is.

use std::collections::HashSet;

use super::Thread;
use crate::debug::memory::ReadMemory;
use crate::debug::tasks;
use crate::image::Image;

/// The threads of a guest of that image: that which runs, then RTEMS' other tasks of which registers are known, each
/// with its identifier for a number. Without tasks, or if they are not known, it is that which runs.
#[must_use]
pub fn threads(image: &Image, memory: &dyn ReadMemory, mut running: Thread) -> Vec<Thread> {
    let tasks = tasks::tasks(image, memory).unwrap_or_default();
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
