// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry point of the PVH note: where Xen, QEMU and others enter an image in 32-bit protected mode without paging
//! (Xen, docs/misc/pvh.pandoc).
//!
//! The assembly only makes what Rust code stands on: a stack, floating point, and on x86-64 long mode.

use core::arch::global_asm;
use core::ptr;

use super::{cpuid, descriptor, message, processor, pvh_start_info};
use crate::start::{self, Entry, EntryPoint};

#[cfg(target_arch = "x86")]
mod i386;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Type of the note (Xen public headers, version 4.17: `elfnote.h`, `XEN_ELFNOTE_PHYS32_ENTRY`).
const NOTE_TYPE: u32 = 18;

macro_rules! note {
    ($pointer:literal) => {
        global_asm!(
            ".pushsection .note.Xen, \"a\", @note",
            ".balign 4",
            ".long 4, 2f - 1f, {note_type}", // length of owner with NUL, of descriptor, type
            ".asciz \"Xen\"",
            concat!("1: ", $pointer, " __paravirt_pvh"),
            "2:",
            ".popsection",
            note_type = const NOTE_TYPE,
            options(att_syntax),
        );
    };
}

// QEMU reads a word of the image's width, Xen any width.
#[cfg(target_arch = "x86_64")]
note!(".quad");
#[cfg(target_arch = "x86")]
note!(".long");

/// Where the entry point's assembly ends.
///
/// # Safety
/// For the entry point, once, with the address that the loader left in ebx.
unsafe extern "C" fn entered(info: usize) -> ! {
    descriptor::load();
    #[cfg(target_arch = "x86_64")]
    super::paging::guard_stack();
    super::refuse_red_zone();
    if cpuid::has_avx(cpuid::features()) {
        // SAFETY: the processor has it.
        unsafe { processor::turn_on_avx() };
    }
    // SAFETY: the loader's address.
    if let Err(problem) = unsafe { pvh_start_info::set(info) } {
        message::say(format_args!("{problem}"));
        super::stop("fault", 1);
    }
    let entry = Entry {
        point: EntryPoint::Pvh,
        magic: 0,
        argument: info,
        stack: ptr::null_mut(),
    };
    // SAFETY: for the entry point, on the image's stack, with what the loader left.
    unsafe { start::enter_by(&entry) }
}
