// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trap table: what the processor's exceptions lead to in a PV domain.

use super::hypercall::{self, Callback};
use crate::backend::xen::power;
use crate::backend::xen::shared::PAGE;
use crate::ring0::fault::{self, Fault, General};
use crate::upcall::{interrupt_frame, push_all};

/// Vectors of exceptions that a PV domain can get.
const VECTORS: usize = 20;
/// `FLAT_KERNEL_CS` of `xen/include/public/arch-x86/xen-x86_64.h`.
const CODE_SEGMENT: u16 = 0xe033;
/// `trap_info.flags`: events are masked on entry.
const MASK_EVENTS: u8 = 4;

asm_function! {
    "__paravirt_xen_trap", align: 16;
    interrupt_frame!(),
    "    .set vector, 0",
    "    .rept {vectors}",      // one entry of 16 bytes for each vector
    "    .balign 16",
    "    .if (0x27d00 >> vector) & 1", // 8, 10 to 14 and 17 bring an error code
    "    .cfi_def_cfa_offset 64",
    "    .else",
    "    .cfi_def_cfa_offset 56",
    "    .endif",
    "    .cfi_rel_offset r11, 8",
    "    .cfi_rel_offset rcx, 0",
    pop!(rcx r11),              // as for events, see entry.rs
    "    .if !((0x27d00 >> vector) & 1)",
    "    pushq $0",
    "    .endif",
    "    .cfi_def_cfa_offset 48",
    "    pushq $vector",
    "    .cfi_def_cfa_offset 56",
    "    jmp 1f",
    "    .set vector, vector + 1",
    "    .endr",
    "1:",
    push_all!(),
    "    movq %rsp, %rdi",      // the argument: registers, vector, error code, frame
    "    movq %rsp, %rbp",
    "    .cfi_def_cfa_register rbp",
    "    andq $-16, %rsp",      // as the ABI wants it; nobody returns over what is cut off
    "    cld",
    "    call {trapped}",
    "    ud2",
    "    .cfi_endproc";
    vectors = const VECTORS,
    trapped = sym trapped,
    options(att_syntax),
}

asm_function! {
    "__paravirt_xen_failsafe", align: 1; // Xen could not return to this domain: a selector is wrong
    "    .cfi_startproc",
    "    .cfi_undefined rip",   // where it was is of no interest
    "    andq $-16, %rsp",
    "    call {failed}",
    "    ud2",
    "    .cfi_endproc";
    failed = sym failed,
    options(att_syntax),
}

unsafe extern "C" {
    static __paravirt_xen_trap: [[u8; 16]; VECTORS];
    fn __paravirt_xen_failsafe();
    fn __paravirt_xen_event();
}

/// `struct trap_info`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct TrapInfo {
    vector: u8,
    flags: u8,
    code_segment: u16,
    address: usize,
}

/// Installs handlers for exceptions and events. Comes first: until then a fault ends in a report of Xen's, on its log
/// only.
pub(super) fn install() {
    let mut table = [TrapInfo {
        vector: 0,
        flags: MASK_EVENTS,
        code_segment: CODE_SEGMENT,
        address: 0,
    }; VECTORS + 1];
    for (vector, entry) in (0u8..).zip(&mut table[..VECTORS]) {
        entry.vector = vector;
        // Breakpoint and overflow come from instructions, which all of the domain may execute.
        if matches!(vector, 3 | 4) {
            entry.flags |= 3;
        }
        // SAFETY: only the address is taken.
        entry.address = unsafe { &raw const __paravirt_xen_trap[usize::from(vector)] } as usize;
    }
    // The last entry stays empty, which ends the table.
    hypercall::set_trap_table(&table);
    hypercall::register_callback(Callback::Event, __paravirt_xen_event as *const () as usize);
    hypercall::register_callback(Callback::Failsafe, __paravirt_xen_failsafe as *const () as usize);
}

/// What the entries push, and the processor's frame.
#[repr(C)]
struct Trapped {
    general: General,
    vector: usize,
    error: usize,
    instruction: usize,
    code_segment: usize,
    flags: usize,
    stack: usize,
    stack_segment: usize,
}

/// Reports an exception and stops.
extern "C" fn trapped(frame: &Trapped) -> ! {
    fault::report(&Fault {
        vector: frame.vector,
        error: frame.error,
        instruction: frame.instruction,
        stack: frame.stack,
        general: frame.general,
        address: PAGE.vcpu.cr2.read(),
    })
}

/// Reports that Xen could not return to the domain.
extern "C" fn failed() -> ! {
    power::refuse(format_args!(
        "Xen could not restore this domain's segments: a selector was loaded that is not valid"
    ))
}
