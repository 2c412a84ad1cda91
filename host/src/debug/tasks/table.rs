// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table that the BSP i386/paravirt puts into an image (`ffi/rtems/bsp/debug/table.c`): addresses of the kernel's
//! data, and offsets in its structures.

use super::TasksError;
use crate::debug::memory::ReadMemory;
use crate::image::{Image, Machine};

/// Name of the section that holds it.
pub(super) const SECTION: &str = ".paravirt.rtems";

/// The version that this is.
const VERSION: u32 = 1;

/// Its words in their order: the first two are version and size in bytes.
const WORDS: usize = 28;

/// What the table says. Nothing of it has been checked; it is the guest's.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Table {
    pub(super) system_state: u32,
    pub(super) objects: u32,
    pub(super) cpu: u32,
    /// The stack on which it starts and handles interrupts: its first address, and the one behind it.
    pub(crate) interrupt_stack: [u32; 2],
    /// Address of the word that has the BSP fill stacks.
    pub(crate) stack_check: u32,
    /// The highest number of an API.
    pub(super) last_api: u32,
    pub(super) cpu_isr_nest_level: u32,
    pub(super) cpu_executing: u32,
    pub(super) objects_maximum_id: u32,
    pub(super) objects_local_table: u32,
    pub(super) thread_id: u32,
    pub(super) thread_name: u32,
    pub(super) thread_text: u32,
    pub(super) thread_state: u32,
    pub(super) thread_priority: u32,
    pub(super) thread_stack_size: u32,
    pub(super) thread_stack_area: u32,
    pub(super) thread_eflags: u32,
    pub(super) thread_esp: u32,
    pub(super) thread_ebp: u32,
    pub(super) thread_ebx: u32,
    pub(super) thread_esi: u32,
    pub(super) thread_edi: u32,
    /// In what stands for the flags: whether words of the switch are at the stack pointer.
    pub(super) has_words: u32,
    /// Their size in bytes.
    pub(super) words: u32,
}

impl Table {
    /// The image's table, `None` if it has none.
    pub(crate) fn find(image: &Image) -> Result<Option<Self>, TasksError> {
        if image.machine() != Machine::I386 {
            return Ok(None);
        }
        let Some(section) = image.sections().iter().find(|section| section.name == SECTION) else {
            return Ok(None);
        };
        let mut bytes = [0; WORDS * 4];
        let size = section.size.min(bytes.len() as u64) as usize;
        let read = image.read(section.address, &mut bytes[..size]);
        let (words, _) = bytes[..read].as_chunks::<4>();
        let words: Vec<_> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        Self::read(&words).map(Some)
    }

    /// The table that begins with these words.
    fn read(words: &[u32]) -> Result<Self, TasksError> {
        match words {
            [version, ..] if *version != VERSION => return Err(TasksError::Version(*version)),
            // Later fields are behind these.
            [_, size, ..] if *size as usize >= WORDS * 4 => {}
            _ => return Err(TasksError::Damaged),
        }
        let &[
            _,
            _,
            system_state,
            objects,
            cpu,
            interrupt_stack_begin,
            interrupt_stack_end,
            stack_check,
            last_api,
            cpu_isr_nest_level,
            cpu_executing,
            objects_maximum_id,
            objects_local_table,
            thread_id,
            thread_name,
            thread_text,
            thread_state,
            thread_priority,
            thread_stack_size,
            thread_stack_area,
            thread_eflags,
            thread_esp,
            thread_ebp,
            thread_ebx,
            thread_esi,
            thread_edi,
            has_words,
            words,
        ] = words.get(..WORDS).unwrap_or_default()
        else {
            return Err(TasksError::Damaged);
        };
        // RTEMS has three: its own, the Classic and the POSIX API. Each can name as many threads as may be.
        const MAX_APIS: u32 = 8;
        if last_api > MAX_APIS {
            return Err(TasksError::Damaged);
        }
        Ok(Self {
            system_state,
            objects,
            cpu,
            interrupt_stack: [interrupt_stack_begin, interrupt_stack_end],
            stack_check,
            last_api,
            cpu_isr_nest_level,
            cpu_executing,
            objects_maximum_id,
            objects_local_table,
            thread_id,
            thread_name,
            thread_text,
            thread_state,
            thread_priority,
            thread_stack_size,
            thread_stack_area,
            thread_eflags,
            thread_esp,
            thread_ebp,
            thread_ebx,
            thread_esi,
            thread_edi,
            has_words,
            words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_and_a_longer_table_is_not() {
        let mut words = vec![7; WORDS + 1];
        words[..2].copy_from_slice(&[VERSION, (WORDS as u32 + 1) * 4]);
        assert_eq!(Table::read(&words).expect("a table").words, 7);
        assert_eq!(Table::read(&words[..WORDS]).expect("a table").thread_edi, 7);
        assert_eq!(Table::read(&words[..WORDS - 1]).err(), Some(TasksError::Damaged));
        words[1] = 4 * WORDS as u32 - 1;
        assert_eq!(Table::read(&words).err(), Some(TasksError::Damaged));
        words[0] = 2;
        assert_eq!(Table::read(&words).err(), Some(TasksError::Version(2)));
        assert_eq!(Table::read(&[]).err(), Some(TasksError::Damaged));
    }
}
