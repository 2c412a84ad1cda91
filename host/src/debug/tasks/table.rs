// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table that the BSP i386/paravirt puts into an image (`ffi/rtems/bsp/i386/debug/table.c`): addresses of the kernel's
//! data, and offsets in its structures.
//!
//! Numbers of RTEMS' kernel in words. They are those of version 1 of the table, and the BSP's build compares them with
//! the kernel's (`ffi/rtems/bsp/i386/debug/table.c`).

use super::TasksError;
use crate::debug::memory::ReadMemory;
use crate::image::{Image, Machine};

/// Name of the section that holds it.
pub(super) const SECTION: &str = ".paravirt.rtems";

/// The version that this is.
const VERSION: u32 = 1;

/// The structure and who fills it, from one list: the words behind version and size, in their order.
macro_rules! table {
    ($($(#[$doc:meta])* $visibility:vis $word:ident,)*) => {
        /// What the table says. Nothing of it has been checked; it is the guest's.
        #[derive(Clone, Debug)]
        #[cfg_attr(test, derive(Default))]
        pub(crate) struct Table {
            $($(#[$doc])* $visibility $word: u32,)*
        }

        /// Words of the table: version, size in bytes, and those.
        const WORDS: usize = 2 + [$(stringify!($word)),*].len();

        impl Table {
            const fn of(&[_, _, $($word),*]: &[u32; WORDS]) -> Self {
                Self { $($word),* }
            }
        }
    };
}

table! {
    pub(super) system_state,
    pub(super) objects,
    pub(super) cpu,
    /// First address of the stack on which it starts and handles interrupts.
    pub(super) interrupt_stack_begin,
    /// The address behind it.
    pub(super) interrupt_stack_end,
    /// Address of the word that has the BSP fill stacks.
    pub(crate) stack_check,
    /// The highest number of an API.
    pub(super) last_api,
    pub(super) cpu_isr_nest_level,
    pub(super) cpu_executing,
    pub(super) objects_maximum_id,
    pub(super) objects_local_table,
    pub(super) thread_id,
    pub(super) thread_name,
    pub(super) thread_text,
    pub(super) thread_state,
    pub(super) thread_priority,
    pub(super) thread_stack_size,
    pub(super) thread_stack_area,
    pub(super) thread_eflags,
    pub(super) thread_esp,
    pub(super) thread_ebp,
    pub(super) thread_ebx,
    pub(super) thread_esi,
    pub(super) thread_edi,
    /// In what stands for the flags: whether words of the switch are at the stack pointer.
    pub(super) has_words,
    /// Their size in bytes.
    pub(super) words,
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
        let table = Self::of(words.first_chunk().ok_or(TasksError::Damaged)?);
        // RTEMS has three: its own, the Classic and the POSIX API. Each can name as many threads as may be.
        const MAX_APIS: u32 = 8;
        if table.last_api > MAX_APIS {
            return Err(TasksError::Damaged);
        }
        Ok(table)
    }

    /// The stack on which it starts and handles interrupts: its first address, and the one behind it.
    pub(crate) fn interrupt_stack(&self) -> [u64; 2] {
        [self.interrupt_stack_begin, self.interrupt_stack_end].map(u64::from)
    }
}

/// The bits of a thread's state (`rtems/score/statesimpl.h`).
const STATES: [(u32, &str); 21] = [
    (1 << 0, "wait mutex"),
    (1 << 1, "wait semaphore"),
    (1 << 2, "wait event"),
    (1 << 3, "wait system event"),
    (1 << 4, "wait message"),
    (1 << 5, "wait condition variable"),
    (1 << 6, "wait futex"),
    (1 << 7, "wait wakeup"),
    (1 << 8, "delay"),
    (1 << 9, "wait period"),
    (1 << 10, "wait signal"),
    (1 << 11, "wait barrier"),
    (1 << 12, "wait rwlock"),
    (1 << 13, "wait join at exit"),
    (1 << 14, "wait join"),
    (1 << 15, "suspended"),
    (1 << 16, "wait segment"),
    (1 << 17, "life is changing"),
    (1 << 27, "debugger"),
    (1 << 29, "wait reply"),
    (1 << 30, "zombie"),
];

/// Not what it does: whether a signal ends its waiting.
const INTERRUPTIBLE: u32 = 1 << 28;
const DORMANT: u32 = 1 << 31;

/// A state in words; several at once are separated by commas.
pub(super) fn state_name(state: u32) -> String {
    let state = state & !INTERRUPTIBLE;
    if state == 0 {
        return "ready".to_owned();
    }
    let bits = STATES.iter().chain(&[(DORMANT, "dormant")]);
    let known = bits.clone().fold(0, |known, (bit, _)| known | bit);
    let mut names: Vec<_> = bits
        .filter(|(bit, _)| state & bit != 0)
        .map(|&(_, name)| name.to_owned())
        .collect();
    if state & !known != 0 {
        names.push(format!("{:#x}", state & !known));
    }
    names.join(", ")
}

/// A priority as the directives have it, of one as the schedulers keep it (`rtems/score/schedulernodeimpl.h`).
pub(super) const fn priority(kept: u64) -> u64 {
    /// Of a scheduler by deadlines, that the task has none (`rtems/score/scheduleredfimpl.h`).
    const BACKGROUND: u64 = 1 << 63;
    (kept & !BACKGROUND) >> 1
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

    #[test]
    fn states_have_names() {
        assert_eq!(state_name(0), "ready");
        assert_eq!(state_name(0x1000_0002), "wait semaphore");
        assert_eq!(state_name(0x8100), "delay, suspended");
        assert_eq!(state_name(0x8000_0000), "dormant");
        assert_eq!(state_name(0x0010_0001), "wait mutex, 0x100000");
        assert_eq!(priority(0x8000_0000_0000_0002), 1);
    }
}
