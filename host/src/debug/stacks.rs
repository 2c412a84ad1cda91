// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of its stacks a guest has used: they are filled with a pattern before, and what of it is left is looked for
//! afterwards.
//!
//! The stack on which an image starts is filled here; under RTEMS it is the one of its interrupts as well. Those of
//! RTEMS' tasks the BSP fills when they are created, if it is told so. What is not seen: stacks of tasks that were
//! deleted, and those that a guest without RTEMS makes itself.

use std::ops::Range;

use super::memory::ReadMemory;
use super::tasks::{Table, Task, TasksError, tasks};
use crate::image::Image;
use crate::process::GuestMemory;

/// What a stack is filled with: the byte of RTEMS' own stack checker, which may be in the guest as well.
const FILL: u8 = 0xa5;

/// In the lowest bytes of a task's stack RTEMS' own stack checker has marks. They are not filled.
const MARKS: u64 = 16;

/// A stack of which less is left counts as overflowed, in bytes, without the marks.
const LEAST: u64 = 16;

/// A guest may claim any number of stacks of any size. In this many bytes of them what is left is looked for.
const MAX_SCANNED: u64 = 1 << 30;

/// What a guest has used of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackUse {
    /// Of which task, or `start`, or under RTEMS `start and interrupts`. It is the guest's text: it may hold any
    /// character.
    pub name: String,
    /// RTEMS' identifier of the task.
    pub id: Option<u32>,
    /// Where it is.
    pub range: Range<u64>,
    /// The most bytes that were in use at once.
    pub used: u64,
    /// Whether nothing of it was left, so that what lies below it may be destroyed.
    pub overflowed: bool,
}

impl StackUse {
    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// Stacks of a guest, which have been filled.
#[derive(Debug)]
pub struct StackCheck {
    /// That on which it starts, if it is known.
    first: Option<(&'static str, Range<u64>)>,
    /// Whether it has a table of RTEMS' tasks.
    has_tasks: bool,
}

impl StackCheck {
    /// Fills the stack on which a guest of that image starts, and tells RTEMS to fill those of tasks. The guest is
    /// loaded and has not started.
    ///
    /// # Errors
    /// If the image's table of RTEMS' tasks is of another version, or damaged.
    pub fn begin(image: &Image, memory: &GuestMemory) -> Result<Self, TasksError> {
        let table = Table::find(image)?;
        let has_tasks = table.is_some();
        let first = match table {
            Some(table) => {
                let told = memory.write(table.stack_check.into(), &1_u32.to_le_bytes());
                told.map_err(|_| TasksError::Damaged)?;
                let [start, end] = table.interrupt_stack();
                Some(("start and interrupts", start..end))
            }
            None => {
                let symbols = image.symbols();
                let symbol = |name| symbols.address_of(name);
                let range = symbol("__stack_start").zip(symbol("__stack_end"));
                range.map(|(start, end)| ("start", start..end))
            }
        };
        // It is part of the image's memory, so no larger than that.
        let is_ours = |range: &Range<u64>| {
            range.start < range.end && image.segment_at(range.start, range.end - range.start).is_some()
        };
        let first = first.filter(|(_, range)| is_ours(range));
        if let Some((_, range)) = &first {
            let fill = vec![FILL; (range.end - range.start) as usize];
            memory.write(range.start, &fill).map_err(|_| TasksError::Damaged)?;
        }
        Ok(Self { first, has_tasks })
    }

    /// What was used of the stacks. `stack`: the stack pointer with which the guest was left, if it is known.
    ///
    /// # Errors
    /// As of [`tasks`].
    pub fn end(&self, image: &Image, memory: &GuestMemory, stack: Option<u64>) -> Result<Vec<StackUse>, TasksError> {
        let mut left = MAX_SCANNED;
        let mut stacks = Vec::new();
        if let Some((name, range)) = &self.first {
            let unused = unused(memory, range, &mut left);
            // Under RTEMS stacks of tasks may lie below.
            let overflow = stack
                .filter(|_| !self.has_tasks)
                .and_then(|at| below(range, at))
                .is_some();
            stacks.push(StackUse {
                name: (*name).to_owned(),
                id: None,
                range: range.clone(),
                used: range.end - range.start - if overflow { 0 } else { unused },
                overflowed: unused == 0 || overflow,
            });
        }
        for task in tasks(image, memory)? {
            let filled = task.stack.start.saturating_add(MARKS)..task.stack.end;
            if filled.is_empty() {
                continue;
            }
            let unused = unused(memory, &filled, &mut left);
            let pointer = pointer(&task, stack.filter(|at| !self.is_first(*at)));
            let overflow = pointer.and_then(|at| below(&task.stack, at)).is_some();
            stacks.push(StackUse {
                used: filled.end - filled.start - if overflow { 0 } else { unused },
                overflowed: unused < LEAST || overflow,
                name: task.name,
                id: Some(task.id),
                range: task.stack,
            });
        }
        Ok(stacks)
    }

    fn is_first(&self, address: u64) -> bool {
        (self.first.as_ref()).is_some_and(|(_, range)| (range.start..=range.end).contains(&address))
    }
}

/// In words, if the task that runs has left its stack with that stack pointer: which it is, and by how much.
#[must_use]
pub fn overflowed(image: &Image, memory: &dyn ReadMemory, stack: u64) -> Option<String> {
    let table = Table::find(image).ok()??;
    let [start, end] = table.interrupt_stack();
    if (start..=end).contains(&stack) {
        return None;
    }
    let task = tasks(image, memory).ok()?.into_iter().find(|task| task.is_executing)?;
    let bytes = below(&task.stack, stack)?;
    let Task { id, stack, .. } = &task;
    Some(format!(
        "the stack of the task {} (id {id:#010x}), {:#x} to {:#x}, has overflowed by {bytes} bytes; give it a larger \
        one",
        crate::text::Escaped(&task.name),
        stack.start,
        stack.end
    ))
}

/// The task's stack pointer, if it is known: that with which the guest was left, of the one that runs.
fn pointer(task: &Task, running: Option<u64>) -> Option<u64> {
    if task.is_executing {
        running
    } else {
        task.registers.map(|registers| registers.esp.into())
    }
}

/// By how many bytes that stack pointer is below the stack.
fn below(stack: &Range<u64>, pointer: u64) -> Option<u64> {
    /// What is further away was not reached by pushes: the pointer is of something else.
    const REACH: u64 = 1 << 20;
    let below = stack.start.checked_sub(pointer)?;
    (!stack.is_empty() && (1..=REACH).contains(&below)).then_some(below)
}

/// Bytes at the beginning of the range that are as they were filled. `left`: how many may be looked at.
fn unused(memory: &dyn ReadMemory, range: &Range<u64>, left: &mut u64) -> u64 {
    let mut buffer = [0; 4096];
    let mut unused = 0;
    while unused < range.end - range.start {
        let size = (range.end - range.start - unused).min(buffer.len() as u64).min(*left) as usize;
        let read = memory.read(range.start + unused, &mut buffer[..size]);
        *left -= read as u64;
        let filled = buffer[..read].iter().take_while(|&&byte| byte == FILL).count();
        unused += filled as u64;
        if filled < buffer.len() {
            break;
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From address 0x1000 on.
    struct Bytes(Vec<u8>);

    impl ReadMemory for Bytes {
        fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
            let start = (address as usize - 0x1000).min(self.0.len());
            let rest = &self.0[start..];
            let size = rest.len().min(buffer.len());
            buffer[..size].copy_from_slice(&rest[..size]);
            size
        }
    }

    fn task(esp: u32) -> Task {
        Task {
            id: 1,
            name: "A".to_owned(),
            state: "ready".to_owned(),
            priority: 1,
            registers: Some(crate::debug::tasks::SavedRegisters {
                ebx: 0,
                esi: 0,
                edi: 0,
                ebp: 0,
                esp,
                eip: 0,
                eflags: 0,
            }),
            stack: 0x2000..0x3000,
            is_executing: false,
        }
    }

    #[test]
    fn what_is_left_is_found() {
        let mut bytes = vec![FILL; 10_000];
        bytes[9_000] = 0;
        let memory = Bytes(bytes);
        let unused = |range: Range<u64>, most: u64| super::unused(&memory, &range, &mut most.clone());
        assert_eq!(unused(0x1000..0x1000 + 10_000, MAX_SCANNED), 9_000);
        assert_eq!(unused(0x1000..0x1000 + 8_192, MAX_SCANNED), 8_192);
        assert_eq!(unused(0x1000 + 9_000..0x1000 + 10_000, MAX_SCANNED), 0);
        assert_eq!(unused(0x1000 + 9_001..u64::MAX, MAX_SCANNED), 999, "memory ends");
        assert_eq!(unused(0x1000..0x1000 + 10_000, 5_000), 5_000, "that is enough");
    }

    #[test]
    fn a_pointer_below_the_stack_is_an_overflow() {
        let of = |task: &Task, running| below(&task.stack, pointer(task, running)?);
        assert_eq!(of(&task(0x2000), None), None);
        assert_eq!(of(&task(0x1ffc), None), Some(4));
        assert_eq!(of(&task(0x3000), Some(0x1ff0)), None, "that is another's");
        let running = Task {
            is_executing: true,
            ..task(0x1000)
        };
        assert_eq!(of(&running, None), None);
        assert_eq!(of(&running, Some(0x1ff0)), Some(16));
        let nowhere = Task { stack: 0..0, ..task(0) };
        assert_eq!(of(&nowhere, None), None);
        let far = Task {
            stack: 1 << 21..1 << 22,
            ..task(0x1000)
        };
        assert_eq!(of(&far, None), None);
    }
}
