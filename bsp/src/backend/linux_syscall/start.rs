// SPDX-License-Identifier: MIT OR Apache-2.0
//! From Linux' program entry to a start info block.

use core::ffi::c_char;

use paravirt_abi::start::{MemoryKind, MemoryRange, StartInfo};

use super::{irq, syscall, timer};
use crate::local::Local;
use crate::start::{Entry, EntryPoint};

/// Memory that the guest may use beside its image, in bytes. Linux provides its pages when they are touched.
const MEMORY: usize = 64 << 20;

static RANGE: Local<MemoryRange> = Local::new(MemoryRange::new(0, MEMORY as u64, MemoryKind::Ram));
static INFO: Local<StartInfo> = Local::new(StartInfo::empty());

/// Linux clears the registers, and enters a static program with the count of its arguments on the stack
/// (`ELF_PLAT_INIT` in arch/x86/include/asm/elf.h, `start_thread_common` in arch/arm64/include/asm/processor.h,
/// `create_elf_tables` in fs/binfmt_elf.c). The registers come first,
/// because what they rule out may have anything on its stack.
///
/// # Safety
/// For the image's start: in `entry` is what the host left.
pub(super) unsafe fn detects(entry: &Entry) -> bool {
    if !matches!(entry.point, EntryPoint::Elf) || entry.magic | entry.argument != 0 {
        return false;
    }
    // SAFETY: an entry without start info comes from a loader of programs, whose stack is readable.
    let count = unsafe { entry.stack.cast::<usize>().read() };
    count.wrapping_sub(1) < 1 << 20
}

/// # Safety
/// As above, after `detects` was true.
pub(super) unsafe fn start(entry: &Entry) -> &'static StartInfo {
    // SAFETY: `detects` found the stack of a Linux program.
    unsafe { timer::start_clock(entry.stack.cast()) };
    irq::start();
    // SAFETY: `detects` found the stack of a Linux program.
    let (line, length) = unsafe { command_line(entry.stack.cast()) };
    // Field by field: a copy of the whole block takes more code than all of this.
    let (info, range) = (INFO.as_ptr(), RANGE.as_ptr());
    // SAFETY: statics of this module, to which no reference was made yet, and which nothing changes from here on.
    unsafe {
        (*info).command_line = line as usize as u64;
        (*info).command_line_length = length as u32;
        (*info).wall_clock = timer::wall();
        let mut start = syscall::map_memory(irq::STACK + MEMORY);
        (*info).memory_count = start.is_some().into();
        if start.is_none() {
            // A process with a limit: no memory beside the image, but signals need their stack.
            start = syscall::map_memory(irq::STACK);
        }
        if let Some(start) = start {
            irq::set_stack(start);
            (*range).start = (start + irq::STACK) as u64;
            (*info).memory = range as usize as u64;
        }
        &*info
    }
}

/// Makes one string of the arguments after the program's name: Linux lays them out one behind the other, so that a
/// space in place of each NUL between them does it.
///
/// # Safety
/// `stack` must be the initial stack of a Linux program: argc, argv, NULL.
unsafe fn command_line(stack: *const usize) -> (*const u8, usize) {
    // SAFETY: the strings of argv are NUL-terminated, writable and belong to this program.
    unsafe {
        let count = stack.read();
        if count < 2 {
            return (core::ptr::null(), 0);
        }
        let argv = stack.add(1).cast::<*mut c_char>();
        let first = argv.add(1).read();
        let mut end = first.add(length(first));
        for index in 2..count {
            let next = argv.add(index).read();
            if next != end.add(1) {
                break;
            }
            end.write(b' ' as c_char);
            end = next.add(length(next));
        }
        (first.cast(), end.offset_from(first) as usize)
    }
}

/// # Safety
/// `text` must be NUL-terminated.
unsafe fn length(text: *const c_char) -> usize {
    // SAFETY: passed on.
    unsafe { core::ffi::CStr::from_ptr(text) }.count_bytes()
}
