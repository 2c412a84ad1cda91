// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tasks of a guest under RTEMS, read from its memory.
//!
//! The BSP i386/paravirt puts a table into the image that says where the kernel keeps them
//! (`ffi/rtems/README.md`, *Table for debuggers*). A guest without that table has no tasks: whoever lists threads shows
//! one.

use std::ops::Range;

use paravirt_host_core::fault::Registers;

pub(crate) use self::table::Table;
use super::memory::{self, ReadMemory};
use crate::image::Image;

mod table;
#[cfg(test)]
mod tests;

/// A guest can have made any number of entries; more tasks are not listed. RTEMS has room for as many in a class.
const MAX_TASKS: usize = 0xffff;

/// Bytes of a name that count, if the kernel has it as a text.
const MAX_NAME: usize = 64;

/// Why a guest's tasks are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TasksError {
    /// The image has a table of another version.
    #[error(
        "the table of RTEMS' tasks in the image is of version {0}, which this pvhost does not know; take the pvhost \
        that came with the BSP, or build the guest with this one's"
    )]
    Version(u32),
    /// The image's table is too short, or not in the image's memory.
    #[error(
        "the table of RTEMS' tasks in the image ({}) is damaged; link the guest again",
        table::SECTION
    )]
    Damaged,
}

/// A task of RTEMS: one of the Classic API, a POSIX thread or one of the kernel's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// RTEMS' identifier.
    pub id: u32,
    /// The name, as the guest has it, so it may hold any character; of a task without a name its identifier.
    pub name: String,
    /// What it does: `running`, `interrupted`, `ready`, or what it waits for, such as `wait semaphore`.
    pub state: String,
    /// Its own priority, as RTEMS' directives have it: 1 is the highest for a task of an application. What it inherits
    /// does not count.
    pub priority: u64,
    /// Registers with which it goes on, of a task that does not run; `None` if they are not readable.
    pub registers: Option<SavedRegisters>,
    /// Where its stack is; empty if that is no range of addresses.
    pub stack: Range<u64>,
    /// Whether the processor is the task's: its registers are the processor's, or those at an interrupt.
    pub is_executing: bool,
}

/// What the kernel's context switch has kept of a task on i386, as if it had returned: the instruction is the one
/// behind the call in the function that switched. Other registers a call may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of registers")]
pub struct SavedRegisters {
    pub ebx: u32,
    pub esi: u32,
    pub edi: u32,
    pub ebp: u32,
    pub esp: u32,
    pub eip: u32,
    /// Bit 9: whether interrupts are on.
    pub eflags: u32,
}

impl From<SavedRegisters> for Registers {
    /// Registers that were not kept are 0.
    fn from(saved: SavedRegisters) -> Self {
        let mut general = [0; 16];
        let named = [saved.ebx, 0, 0, saved.esi, saved.edi, saved.ebp, saved.esp];
        general[1..8].copy_from_slice(&named.map(u64::from));
        Self {
            general,
            instruction: saved.eip.into(),
            flags: saved.eflags.into(),
        }
    }
}

/// The tasks of a guest of that image, in the order of the kernel's own, the Classic API's and POSIX threads: empty if
/// it is no guest of RTEMS, or the kernel has not started multitasking yet. What of its memory cannot be read is left
/// out; the guest may have destroyed it.
///
/// # Errors
/// If the image's table of them is of another version, or damaged.
pub fn tasks(image: &Image, memory: &dyn ReadMemory) -> Result<Vec<Task>, TasksError> {
    let Some(table) = Table::find(image)? else {
        return Ok(Vec::new());
    };
    Ok(Kernel { table: &table, memory }.tasks())
}

/// The kernel's data in a guest's memory.
struct Kernel<'a> {
    table: &'a Table,
    memory: &'a dyn ReadMemory,
}

impl Kernel<'_> {
    fn word(&self, address: u32) -> Option<u32> {
        memory::word(self.memory, address.into())
    }

    /// The member at that offset of a structure.
    fn member(&self, structure: u32, offset: u32) -> Option<u32> {
        self.word(structure.checked_add(offset)?)
    }

    fn tasks(&self) -> Vec<Task> {
        // _System_state_Current: from SYSTEM_STATE_UP on there are tasks.
        const UP: u32 = 2;
        if self.word(self.table.system_state).is_none_or(|state| state < UP) {
            return Vec::new();
        }
        let executing = self.member(self.table.cpu, self.table.cpu_executing);
        let nests = self.member(self.table.cpu, self.table.cpu_isr_nest_level);
        let interrupted = nests.is_some_and(|level| level > 0);
        let controls = (1..=self.table.last_api).flat_map(|api| self.controls(api));
        controls
            .filter_map(|control| self.task(control, executing == Some(control), interrupted))
            .take(MAX_TASKS)
            .collect()
    }

    /// The control blocks of an API's threads.
    fn controls(&self, api: u32) -> Vec<u32> {
        const THREADS: u32 = 1;
        let controls = || {
            let classes = self.member(self.table.objects, 4 * api)?;
            let information = self.member(classes, 4 * THREADS)?;
            let count = self.member(information, self.table.objects_maximum_id)? & 0xffff;
            let entries = self.member(information, self.table.objects_local_table)?;
            let mut bytes = vec![0; count as usize * 4];
            let read = self.memory.read(entries.into(), &mut bytes);
            let (words, _) = bytes[..read].as_chunks::<4>();
            let controls = words.iter().map(|&word| u32::from_le_bytes(word));
            Some(controls.filter(|&control| control != 0).collect())
        };
        controls().unwrap_or_default()
    }

    fn task(&self, control: u32, is_executing: bool, interrupted: bool) -> Option<Task> {
        let member = |offset| self.member(control, offset);
        let table = self.table;
        let id = member(table.thread_id)?;
        let state = member(table.thread_state)?;
        let priority = memory::bytes(self.memory, control.checked_add(table.thread_priority)?.into())?;
        let size = member(table.thread_stack_size)?;
        let area = member(table.thread_stack_area)?;
        Some(Task {
            id,
            name: self.name(control).unwrap_or_else(|| format!("{id:#010x}")),
            state: match (is_executing, interrupted) {
                (true, false) => "running".to_owned(),
                (true, true) => "interrupted".to_owned(),
                (false, _) => table::state_name(state),
            },
            priority: table::priority(u64::from_le_bytes(priority)),
            registers: if is_executing { None } else { self.registers(control) },
            stack: area.checked_add(size).map_or(0..0, |end| area.into()..end.into()),
            is_executing,
        })
    }

    /// Its name: a text if it has one, else four characters in a word.
    fn name(&self, control: u32) -> Option<String> {
        let text = |address: u32| {
            let mut bytes = [0; MAX_NAME];
            let read = self.memory.read(address.into(), &mut bytes);
            let text = bytes[..read].split(|&byte| byte == 0).next()?;
            (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
        };
        let address = self.member(control, self.table.thread_text)?;
        if let Some(text) = Some(address).filter(|&address| address != 0).and_then(text) {
            return Some(text);
        }
        let name = self.member(control, self.table.thread_name)?.to_be_bytes();
        let name = String::from_utf8_lossy(&name);
        let name = name.trim_end_matches([' ', '\0']);
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn registers(&self, control: u32) -> Option<SavedRegisters> {
        let member = |offset| self.member(control, offset);
        let table = self.table;
        let flags = member(table.thread_eflags)?;
        let mut stack = member(table.thread_esp)?;
        if flags & table.has_words != 0 {
            stack = stack.checked_add(table.words)?;
        }
        Some(SavedRegisters {
            ebx: member(table.thread_ebx)?,
            esi: member(table.thread_esi)?,
            edi: member(table.thread_edi)?,
            ebp: member(table.thread_ebp)?,
            esp: stack.checked_add(4)?,
            eip: self.word(stack)?,
            eflags: flags & !table.has_words,
        })
    }
}
