// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gates of both widths of x86 have in common.

use alloc::vec::Vec;
use core::arch::asm;
use core::sync::atomic::Ordering;

use paravirt_abi::signature::{Signature, Width};

use super::{Frame, MACHINE, STATE, STUB, Start, leave_address};
use crate::prototype;
use crate::upcall::Interrupted;

/// Alignment check, a flag that user mode may set: then every access of host code would have to be aligned.
pub(super) const ALIGNMENT_CHECK: u32 = 1 << 18;
/// Direction flag, which host code expects to be clear.
#[cfg(target_arch = "x86_64")]
pub(super) const DIRECTION: u32 = 1 << 10;
/// SSE control word of host code (System V ABI, 3.2.1).
pub(super) static DEFAULT_MXCSR: u32 = 0x1f80;
/// Exceptions in the x87 unit's status word, whose masks the control word has in the same place (Intel SDM volume 1,
/// 8.1.3 and 8.1.5).
pub(super) const X87_FLAGS: u16 = 0x3f;
/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
pub(super) const NO_FLAGS: u32 = 1 << 1;
/// The breakpoint instruction, where no code is.
const INT3: u8 = 0xcc;

unsafe extern "C" {
    fn pvh_gates_function(function: usize, frame: *mut Frame, words: usize);
}

/// The stub at the address `at`: `mov $index, register`, unless it is the resolver's, which may change no register;
/// then a jump through the word at `way`, or a far one to it.
pub(super) fn stub(width: Width, at: u64, index: Option<u32>, way: u64) -> [u8; STUB] {
    let load: &[u8] = match width {
        Width::Bits64 => &[0x41, 0xbb], // r11d, which thunks may change
        Width::Bits32 => &[0xb8],       // eax
    };
    let mut code = Vec::with_capacity(STUB);
    if let Some(index) = index {
        code.extend(load);
        code.extend(index.to_le_bytes());
    }
    match (width, MACHINE.width()) {
        (Width::Bits64, _) => {
            code.extend([0xff, 0x25]); // jmp *distance(%rip)
            let next = at + code.len() as u64 + 4;
            code.extend((way.wrapping_sub(next) as u32).to_le_bytes());
        }
        (Width::Bits32, Width::Bits32) => {
            code.extend([0xff, 0x25]); // jmp *way
            code.extend((way as u32).to_le_bytes());
        }
        (Width::Bits32, Width::Bits64) => {
            code.push(0xea); // ljmp $cs, $way
            code.extend((way as u32).to_le_bytes());
            code.extend(selectors().code.to_le_bytes());
        }
    }
    let mut stub = [INT3; STUB];
    stub[..code.len()].copy_from_slice(&code);
    stub
}

/// Tells the gates the code selector of a guest of another width than the host.
pub(super) fn prepare_far_jumps(start: &Start) {
    if let Some(selector) = start.far {
        for pointer in [&STATE.far_tail, &STATE.target] {
            pointer.selector.store(selector.into(), Ordering::SeqCst);
        }
    }
}

/// Selectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selectors {
    pub(crate) code: u16,
    pub(crate) stack: u16,
    pub(crate) data: u16,
    pub(crate) fs: u16,
}

/// The host's selectors, the guest's as well if that is of the same width.
pub(crate) fn selectors() -> Selectors {
    let (code, stack, data, fs): (u16, u16, u16, u16);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            "mov {0:x}, cs",
            "mov {1:x}, ss",
            "mov {2:x}, ds",
            "mov {3:x}, fs",
            out(reg) code,
            out(reg) stack,
            out(reg) data,
            out(reg) fs,
            options(nomem, nostack, preserves_flags),
        );
    }
    Selectors { code, stack, data, fs }
}

/// Alignment check, direction and trap flag: off in host code.
const UNWANTED_FLAGS: u64 = 1 << 18 | 1 << 10 | 1 << 8;

impl Interrupted {
    /// Returns whether it is code of that width. `code_32`: the selector of 32-bit code on a 64-bit host.
    pub(crate) fn is_of(&self, width: Width, code_32: Option<u16>) -> bool {
        let selector = match width {
            Width::Bits32 => code_32,
            Width::Bits64 => None,
        };
        self.code_selector == u64::from(selector.unwrap_or_else(|| selectors().code))
    }

    /// Has the handler continue where the guest is left.
    pub(crate) fn leave(&mut self) {
        #[cfg(target_arch = "x86_64")]
        super::left::note(self.instruction, self.stack, self.flags);
        let Selectors { code, stack, .. } = selectors();
        self.instruction = leave_address();
        self.code_selector = code.into();
        self.stack_selector = stack.into();
        self.flags &= !UNWANTED_FLAGS;
    }
}

/// Calls a host function with the guest's arguments and leaves its result in the frame.
///
/// # Safety
/// The function has that prototype and the C ABI; the frame is a gate's for a guest of the host's width, and the
/// guest's arguments on the stack are readable.
pub unsafe fn call_c(function: usize, frame: &mut Frame, signature: Signature) {
    #[cfg(target_arch = "x86")]
    {
        frame.returns_float = super::needs_floats(signature, Width::Bits32).into();
    }
    let words = prototype::stack_bytes(signature, MACHINE) as usize / size_of::<usize>();
    // SAFETY: the caller's.
    unsafe { pvh_gates_function(function, frame, words) };
}

/// The 32-bit tail, which is copied into the guest's memory: it knows no address but the counter's. esp: the return
/// address; ecx: the vCPU page; eax, edx and st0: the result.
macro_rules! tail_32 {
    () => {
        "pvh_tail_32:
        6: testl ${lines}, {pending}(%ecx)      # did a line become pending during the call?
        jne 4f
        3: retl
        4: cmpl $0, {enabled}(%ecx)             # yes: are interrupts on?
        je 3b
        .byte 0xff, 0x05                        # incl of the counter
        pvh_tail_32_upcalls: .long 0
        pushfl                                  # the frame that an interrupt here would push
        pushl %cs
        calll 5f                                # eip: the next instruction
        jmp 6b                                  # the upcall restored every register: look again
        5: movl $0, {enabled}(%ecx)             # as when a handler delivers
        jmpl *{upcall}(%ecx)
        pvh_tail_32_end:"
    };
}
pub(super) use tail_32;
