// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel's data made to order, and what hostile guests make of it.

use std::collections::BTreeMap;

use super::*;

/// Memory by words; where there is none, nothing can be read.
#[derive(Default)]
struct Words(BTreeMap<u32, u32>);

impl Words {
    fn set(&mut self, address: u32, words: &[u32]) {
        self.0.extend((address..).step_by(4).zip(words.iter().copied()));
    }
}

impl ReadMemory for Words {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = u32::try_from(address + done as u64).ok() else {
                break;
            };
            let Some(word) = self.0.get(&(at & !3)) else {
                break;
            };
            buffer[done] = word.to_le_bytes()[at as usize % 4];
            done += 1;
        }
        done
    }
}

/// Offsets as no kernel has them, one after the other.
fn table() -> Table {
    Table {
        system_state: 0x1000,
        objects: 0x2000,
        cpu: 0x3000,
        last_api: 2,
        cpu_isr_nest_level: 0,
        cpu_executing: 4,
        objects_maximum_id: 0,
        objects_local_table: 4,
        thread_id: 0,
        thread_name: 4,
        thread_text: 8,
        thread_state: 12,
        thread_priority: 16,
        thread_stack_size: 24,
        thread_stack_area: 28,
        thread_eflags: 32,
        thread_esp: 36,
        thread_ebp: 40,
        thread_ebx: 44,
        thread_esi: 48,
        thread_edi: 52,
        has_words: 1 << 16,
        words: 8,
        ..Table::default()
    }
}

/// Three tasks: one that runs, one that waits and has run, one that has not run yet. An entry is empty.
fn kernel() -> Words {
    let mut memory = Words::default();
    memory.set(0x1000, &[2]);
    memory.set(0x2000, &[0, 0x2100, 0x2200]);
    memory.set(0x2100, &[0, 0]);
    memory.set(0x2200, &[0, 0x2300]);
    memory.set(0x2300, &[0x0a01_0004, 0x2400]);
    memory.set(0x2400, &[0x5000, 0, 0x5100, 0x5200]);
    memory.set(0x3000, &[0, 0x5000]);
    let name = |name: &[u8; 4]| u32::from_be_bytes(*name);
    // Identifier, name, text, state, priority, stack's size and address, flags, esp, ebp, ebx, esi, edi.
    let executing = [0x0a01_0001, name(b"UI1 "), 0, 0, 2, 0, 0x1000, 0x8000];
    memory.set(0x5000, &executing);
    let blocked = [0x0a01_0002, name(b"TA1 "), 0, 0x1000_0102, 4, 0, 0x1000, 0x9000];
    memory.set(0x5100, &blocked);
    memory.set(0x5120, &[0x1_0200, 0x9f00, 0x9f80, 1, 2, 3]);
    memory.set(0x9f08, &[0x10_1234]);
    let new = [0x0a01_0004, name(b"TA2 "), 0x6000, 0, 6, 0, 0x1000, 0xffff_f000];
    memory.set(0x5200, &new);
    memory.set(0x5220, &[0x3202, 0xaf00, 0, 0, 0, 0]);
    memory.set(0xaf00, &[0x10_5678]);
    memory.set(0x6000, &[u32::from_le_bytes(*b"a lo"), u32::from_le_bytes(*b"ng\0x")]);
    memory
}

fn tasks(memory: &Words) -> Vec<Task> {
    Kernel {
        table: &table(),
        memory,
    }
    .tasks()
}

#[test]
fn tasks_are_listed_with_what_the_switch_has_kept() {
    let found = tasks(&kernel());
    let [executing, blocked, new] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(executing.name, "UI1");
    assert_eq!(executing.state, "running");
    assert_eq!(executing.priority, 1);
    assert_eq!(executing.stack, 0x8000..0x9000);
    assert!(executing.is_executing);
    assert_eq!(executing.registers, None);

    assert_eq!(blocked.id, 0x0a01_0002);
    assert_eq!(blocked.state, "wait semaphore, delay");
    let saved = SavedRegisters {
        ebx: 1,
        esi: 2,
        edi: 3,
        ebp: 0x9f80,
        // Behind its words and the return address.
        esp: 0x9f0c,
        eip: 0x10_1234,
        eflags: 0x200,
    };
    assert_eq!(blocked.registers, Some(saved));
    let registers = Registers::from(saved);
    // eax, ebx, ecx, edx, esi, edi, ebp, esp.
    assert_eq!(registers.general[..8], [0, 1, 0, 0, 2, 3, 0x9f80, 0x9f0c]);

    assert_eq!(new.name, "a long");
    assert_eq!(new.state, "ready");
    assert_eq!(new.stack, 0..0, "it wraps");
    assert_eq!(
        new.registers.map(|saved| (saved.eip, saved.esp)),
        Some((0x10_5678, 0xaf04))
    );
}

#[test]
fn an_interrupted_task_is_called_so() {
    let mut memory = kernel();
    memory.set(0x3000, &[1]);
    assert_eq!(tasks(&memory)[0].state, "interrupted");
}

#[test]
fn before_multitasking_there_is_none() {
    let mut memory = kernel();
    memory.set(0x1000, &[1]);
    assert_eq!(tasks(&memory), []);
    assert_eq!(tasks(&Words::default()), []);
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let mut memory = kernel();
    // A control block that is nowhere, and one that wraps around.
    memory.set(0x2400, &[0x7777_0000, 0xffff_fffc]);
    let names: Vec<_> = tasks(&memory).into_iter().map(|task| task.name).collect();
    assert_eq!(names, ["TA1", "a long"]);
    // No name at all: the identifier. A text that is nowhere: the four characters.
    memory.set(0x5104, &[0x2020_2020, 0x7777_0000]);
    assert_eq!(tasks(&memory)[0].name, "0x0a010002");
    memory.set(0x5104, &[u32::from_be_bytes(*b"\xff\x1bA ")]);
    assert_eq!(tasks(&memory)[0].name, "\u{fffd}\u{1b}A");
    // A stack pointer that is nowhere: the task is listed without registers.
    memory.set(0x5124, &[0xffff_fffc]);
    assert_eq!(tasks(&memory)[0].registers, None);
}

#[test]
fn the_same_task_over_and_over_is_bounded() {
    let mut memory = kernel();
    for api in 1..=2 {
        memory.set(0x2000 + 4 * api, &[0x2200]);
    }
    memory.set(0x2300, &[0xffff_ffff, 0x10_0000]);
    memory.set(0x10_0000, &vec![0x5000; 0xffff]);
    assert_eq!(tasks(&memory).len(), MAX_TASKS);
}
