// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks each backend whether its host has entered the image: for the entry as it was, and for entries as other hosts
//! leave them. Whichever order an image has them in, a host must find its own.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use paravirt_bsp::backend::BACKENDS;
use paravirt_bsp::ring0::processor;
use paravirt_bsp::start::{Entry, EntryPoint};
use paravirt_bsp::{print, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen, pok, template] }

/// What the registers held at the ELF entry point; no stack if the image was entered elsewhere.
static MAGIC: AtomicUsize = AtomicUsize::new(0);
static ARGUMENT: AtomicUsize = AtomicUsize::new(0);
static STACK: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

// The entry point, see `build.rs`. It changes no register before that of the layer.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl enter",
    "enter:",
    "movl %eax, {magic}(%rip)",
    "movq %rdx, {argument}(%rip)",
    "movq %rsp, {stack}(%rip)",
    "jmp paravirt_start",
    magic = sym MAGIC,
    argument = sym ARGUMENT,
    stack = sym STACK,
    options(att_syntax),
);
#[cfg(target_arch = "x86")]
global_asm!(
    ".globl enter",
    "enter:",
    "movl %eax, {magic}",
    "movl %edx, {argument}",
    "movl %esp, {stack}",
    "jmp paravirt_start",
    magic = sym MAGIC,
    argument = sym ARGUMENT,
    stack = sym STACK,
    options(att_syntax),
);

/// The stack of a program: the count of its arguments, where they are, the end.
#[repr(C, align(16))]
struct Stack([usize; 4]);

fn main() {
    let mut stack = Stack([1, 0x1000, 0, 0]);
    ask("by this host", &entered());
    // Linux clears the registers; POK leaves 0xdead in one.
    let linux = Entry {
        point: EntryPoint::Elf,
        magic: 0,
        argument: 0,
        stack: ptr::from_mut(&mut stack).cast(),
    };
    ask("by Linux", &linux);
    ask("by POK, with a stack like that", &Entry { magic: 0xdead, ..linux });
    ask("by another loader of programs", &Entry { magic: 0x1000, ..linux });
    ask(
        "by one that passes an address",
        &Entry {
            argument: 0x1000,
            ..linux
        },
    );
    let point = EntryPoint::Own("a note");
    ask("at a backend's own entry point", &Entry { point, ..linux });
}

/// The entry as it was.
fn entered() -> Entry {
    let stack = STACK.load(Ordering::Relaxed);
    let point = if !stack.is_null() {
        EntryPoint::Elf
    } else if processor::is_in_ring0() {
        EntryPoint::Pvh
    } else {
        EntryPoint::XenPv
    };
    Entry {
        point,
        magic: MAGIC.load(Ordering::Relaxed),
        argument: ARGUMENT.load(Ordering::Relaxed),
        stack,
    }
}

/// Prints which backends take that entry for one of their host's.
fn ask(what: &str, entry: &Entry) {
    print!("{what}:");
    // By name, because only the linker knows the order.
    for name in ["bare", "linux_syscall", "pok", "template", "xen"] {
        let backend = BACKENDS.iter().find(|backend| backend.name == name);
        // SAFETY: the stack of an entry at the ELF entry point is one of a program.
        if backend.is_some_and(|backend| unsafe { (backend.detects)(entry) }) {
            print!(" {name}");
        }
    }
    println!();
}
