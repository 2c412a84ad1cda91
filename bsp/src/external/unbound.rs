// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens when a slot that nobody has bound is called.

use core::arch::{asm, naked_asm};
use core::ffi::c_char;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use paravirt_abi::shutdown::Reason;

use super::declare::External;
use super::table::{Entry, Table};
use crate::interface::{pv_console_write, pv_shutdown};

/// Where the resolver thunks jump. It has a section of its own by which the linker script checks where it put the
/// tables.
#[unsafe(export_name = "__l4_external_resolver")]
#[unsafe(link_section = ".data.l4externals.resolver")]
static RESOLVER: AtomicPtr<()> = AtomicPtr::new(unbound as *mut ());

/// Makes the first call of each unbound function go to the resolver at `address`.
///
/// # Safety
/// Code that keeps the resolver's contract starts at `address`: it finds the addresses of symtab entry and slot on the
/// stack, removes them, preserves every register that can carry an argument, stores the function's address in the slot
/// and jumps to the function.
pub unsafe fn set_resolver(address: usize) {
    RESOLVER.store(core::ptr::with_exposed_provenance_mut(address), Ordering::Relaxed);
}

macro_rules! unbound {
    ($($line:literal,)*) => {
        /// The resolver of a guest that was given none.
        #[unsafe(naked)]
        unsafe extern "C" fn unbound() {
            naked_asm!($($line,)* report = sym report)
        }
    };
}

#[cfg(target_arch = "x86_64")]
unbound! {
    ".cfi_startproc",
    ".cfi_adjust_cfa_offset 16", // the thunk's two words
    "pop rdi",                   // the symtab entry's address
    ".cfi_adjust_cfa_offset -8",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbp, 0",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "and rsp, -16",              // as the C ABI wants it; nobody returns over what is cut off
    "call {report}",
    "ud2",
    ".cfi_endproc",
}

#[cfg(target_arch = "x86")]
unbound! {
    ".cfi_startproc",
    ".cfi_adjust_cfa_offset 8", // the thunk's two words
    "pop eax",                  // the symtab entry's address
    ".cfi_adjust_cfa_offset -4",
    "push ebp",
    ".cfi_adjust_cfa_offset 4",
    ".cfi_rel_offset ebp, 0",
    "mov ebp, esp",
    ".cfi_def_cfa_register ebp",
    "and esp, -16",             // as the C ABI wants it; nobody returns over what is cut off
    "sub esp, 12",
    "push eax",                 // the argument, below it the stack is aligned again
    "call {report}",
    "ud2",
    ".cfi_endproc",
}

#[cfg(target_arch = "aarch64")]
unbound! {
    "ldr x0, [sp], #16", // the symtab entry's address
    "bl {report}",
    "udf #0",
}

#[cfg(target_arch = "arm")]
unbound! {
    "ldr r0, [sp], #8", // the symtab entry's address
    "bl {report}",
    "udf #0",
}

#[cfg(target_arch = "riscv64")]
unbound! {
    "ld a0, 0(sp)", // the symtab entry's address
    "call {report}",
    "unimp",
}

/// Says which function is missing and stops the guest.
///
/// # Safety
/// `name` is the address of a symtab entry.
unsafe extern "C" fn report(name: *const *const c_char) -> ! {
    static REPORTING: AtomicBool = AtomicBool::new(false);

    // A backend whose console calls something unbound comes back here.
    if REPORTING.load(Ordering::Relaxed) {
        undefined_instruction();
    }
    REPORTING.store(true, Ordering::Relaxed);

    // SAFETY: the thunk passes the address of its own symtab entry.
    let name = unsafe { Entry::name_of(name) };
    if is_usable(pv_console_write::NAME) {
        write(b"paravirt: call of `");
        write(name.to_bytes());
        write(b"`, which neither the host nor a backend of this image supplies\n");
    }
    if is_usable(pv_shutdown::NAME) {
        pv_shutdown(Reason::Fatal as u32, 1)
    }
    undefined_instruction()
}

/// Returns whether a call leads to a function. One without an entry was linked into the image.
#[inline(never)] // two calls of it, and the guest is small
fn is_usable(name: &str) -> bool {
    Table::of_image().find(name).is_none_or(Entry::is_bound)
}

/// Writes as much as the console takes without waiting for it.
#[inline(never)] // three calls of it, and the guest is small
fn write(mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: the slot is bound and the buffer is valid.
        let taken = unsafe { pv_console_write(text.as_ptr(), text.len()) };
        match usize::try_from(taken) {
            Ok(taken @ 1..) => text = text.get(taken..).unwrap_or_default(),
            _ => return,
        }
    }
}

/// Ends in a fault that every host reports with its address.
fn undefined_instruction() -> ! {
    // SAFETY: the instruction faults; nothing after it runs.
    unsafe {
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        asm!("ud2", options(noreturn, nomem, nostack));
        #[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
        asm!("udf #0", options(noreturn, nomem, nostack));
        #[cfg(target_arch = "riscv64")]
        asm!("unimp", options(noreturn, nomem, nostack));
    }
}
