// SPDX-License-Identifier: MIT OR Apache-2.0
//! Says how it was entered; or commits, before its first output, the fault that its argument names.
//!
//! Beside its PVH entry point it has others, which go there with what a loader should not pass. A test makes the note
//! point to one of them.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::hint::black_box;

use paravirt_bsp::{println, start};

paravirt_bsp::image! { main: main, backends: [bare] }

macro_rules! entries {
    ($mode:literal) => {
        global_asm!(
            ".pushsection .data.entries, \"aw\", @progbits",
            ".balign 8",
            "1:  .long 0x336ec579, 1, 0, 0", // a magic that is not PVH's
            "    .zero 40",
            "2:  .long 0x336ec578, 0, 0, 0", // version 0: no memory map
            "    .long 0, 0, 3f, 0, 0, 0",   // no modules, command line
            "3:  .asciz \"from version 0\"",
            ".popsection",
            ".pushsection .text.entries, \"ax\", @progbits",
            ".globl entries, entry_wrong_magic, entry_no_address, entry_version_0",
            ".code32",
            "entries:",
            "entry_wrong_magic:",
            "    movl $1b, %ebx", // where the loader's start info should be
            "    jmp __paravirt_pvh",
            "entry_no_address:",
            "    xorl %ebx, %ebx",
            "    jmp __paravirt_pvh",
            "entry_version_0:",
            "    movl $2b, %ebx",
            "    jmp __paravirt_pvh",
            $mode, // what follows is of the image's own kind
            ".popsection",
            options(att_syntax),
        );
    };
}
#[cfg(target_arch = "x86_64")]
entries!(".code64");
#[cfg(target_arch = "x86")]
entries!(".code32");

unsafe extern "C" {
    static entries: u8;
}

fn main() {
    // Referred to, so that the linker keeps them.
    black_box(&raw const entries);
    match start::arguments().next() {
        Some("null") => read(16),
        Some("beyond") => read((5_u64 << 30) as usize),
        Some("overflow") => {
            black_box(recurse(1));
        }
        // SAFETY: it faults; that is its purpose.
        Some("undefined") => unsafe { asm!("ud2") },
        // SAFETY: as above: 0 divided by 0.
        Some("divide") => unsafe {
            asm!("xor eax, eax", "cdq", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _);
        },
        // SAFETY: as above: a vector that has no entry.
        Some("vector") => unsafe { asm!("int 0x90") },
        _ => describe(),
    }
}

fn describe() {
    println!("command line: {}", start::command_line());
    for range in start::memory() {
        println!("memory: {:#x} to {:#x}", range.start, range.start + range.size);
    }
}

#[inline(never)]
fn read(address: usize) {
    // SAFETY: it faults; that is its purpose.
    unsafe { core::ptr::read_volatile(black_box(address as *const u32)) };
}

#[inline(never)]
fn recurse(depth: usize) -> usize {
    let space = black_box([depth; 64]);
    if depth == usize::MAX {
        depth
    } else {
        recurse(depth + 1) + space[depth % 64]
    }
}
