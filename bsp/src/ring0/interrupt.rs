// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hardware interrupts: from a vector to the upcall entry.
//!
//! The entry saves what Rust may change, calls the backend's handler for the vector, which acknowledges the device and
//! marks lines pending, and restores everything. Then the stack holds the processor's frame again, and the virtual flag
//! says where to go: to the upcall entry, as if the processor had entered there, or back, with the processor's flag
//! off, so that a level-triggered source does not interrupt for ever. In both cases the processor's flag stays off
//! until the guest opens it, see [`paravirt_abi::vcpu::HOST_MASKED`].

use super::descriptor::FRAME;
use super::processor::{self, INTERRUPT_FLAG};
use crate::backend::entry::{self, Return};
use crate::local::Local;
use crate::upcall::{COMPONENTS, DEFAULT_MXCSR, interrupt_frame, restore_state, save_state};

/// The first vector of interrupts; those before it are exceptions.
pub const FIRST: u8 = 32;
/// Number of vectors with an entry, from [`FIRST`].
pub const COUNT: u8 = 32;
/// Bytes from one entry to the next.
pub(super) const STRIDE: usize = 16;

/// A backend's handler. It is called with the processor's interrupt flag off, at any instant at which that was on.
pub type Handler = fn(vector: u8);

static HANDLER: Local<Option<Handler>> = Local::new(None);

/// From now on, `handler` is called for each interrupt. To be set before the processor's interrupt flag is.
///
/// # Safety
/// The handler and what it calls are in nobody's critical section, and interrupt those of others: they may touch what
/// is theirs alone, and call what this crate says may be called from an entry, such as
/// [`crate::backend::lines::signal`] and [`crate::backend::timers::expire`].
pub unsafe fn set_handler(handler: Handler) {
    HANDLER.set(Some(handler));
}

/// Waits until a line is pending. Called with the virtual interrupt flag off: an interrupt that ends the wait marks its
/// line and leaves the processor's flag off.
pub fn wait() {
    // With the processor's flag off, no interrupt comes between test and wait.
    processor::close_interrupts();
    while !entry::is_pending() {
        processor::wait();
    }
    entry::mark_host_closed();
}

/// The instruction `hlt`.
const HALT: u8 = 0xf4;

/// Takes an interrupt; whether to go on at the upcall entry. `flags` is the flags register in the frame.
///
/// # Safety
/// For the entry: `flags` must be the third word of the processor's frame, and that valid for reads and writes.
unsafe extern "C" fn take(vector: u32, flags: *mut usize) -> bool {
    if let Some(handler) = HANDLER.get() {
        handler(vector as u8);
    }
    match entry::leave() {
        Return::AsItWas => false,
        Return::Closed => {
            // SAFETY: the caller's part of the contract; the first word is the address of an instruction that was about
            // to run.
            unsafe {
                *flags &= !INTERRUPT_FLAG;
                let instruction = flags.sub(2);
                // An emulated Xen may let an interrupt in between the two instructions of a wait, which the processor
                // does not. With the flag clear, the second would wait for ever.
                if *(*instruction as *const u8) == HALT {
                    *instruction += 1;
                }
            }
            false
        }
        Return::Upcall => true,
    }
}

// The frame is the processor's, see `upcall::x86`.
x86_function! {
    "__paravirt_interrupts", align: 16;
    interrupt_frame!(),
    ".set .Lvector, {first}",
    ".rept {count}",
    "    .cfi_def_cfa_offset {frame}",
    if_x86_64!(push!(rax), push!(eax)),   // room for the vector's number
    "    movl $.Lvector, %eax",
    "    jmp 1f",
    ".balign {stride}",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    "1:",                                 // every register that a C function may change
    if_x86_64!(push!(rcx rdx rsi rdi r8 r9 r10 r11), push!(ecx edx)),
    if_x86_64!(push!(rbp), push!(ebp)),   // this one it keeps, to find the others again
    "    mov \\sp, \\bp",
    "    .cfi_def_cfa_register \\bp",
    "    cld",                            // the ABI of what we call; iret restores it
    "    push \\ax",                      // the vector, and room for the result
    // First argument, and the second: above the registers, the instruction's address and cs, the flags in the frame.
    if_x86_64!("movl %eax, %edi\nleaq 96(%rbp), %rsi", "leal 24(%ebp), %ecx"),
    save_state!(),                        // with the state that Rust expects
    // Two words of arguments, aligned to 16 bytes at the call.
    if_x86_64!("", "subl $8, %esp\npushl %ecx\npushl -4(%ebp)"),
    "    call {take}",
    "    movb %al, -\\word(\\bp)",
    if_x86_64!("", "addl $16, %esp"),
    restore_state!(),
    "    testb $1, -\\word(\\bp)",        // where to? (mov and pop leave the flags alone)
    "    mov \\bp, \\sp",
    "    .cfi_def_cfa_register \\sp",
    if_x86_64!(pop!(rbp r11 r10 r9 r8 rdi rsi rdx rcx rax), pop!(ebp edx ecx eax)),
    "    jnz __paravirt_upcall",          // on the frame as the processor left it
    "    iret\\suffix",
    "    .cfi_endproc";
    first = const FIRST,
    count = const COUNT,
    stride = const STRIDE,
    frame = const FRAME,
    components = sym COMPONENTS,
    mxcsr = sym DEFAULT_MXCSR,
    take = sym take,
    options(att_syntax),
}

unsafe extern "C" {
    /// The entries, [`STRIDE`] bytes each.
    pub(super) static __paravirt_interrupts: u8;
}
