// SPDX-License-Identifier: MIT OR Apache-2.0
//! On x86 the frame is the one that the processor pushes for an interrupt.

use paravirt_abi::signature::Width;
use paravirt_abi::vcpu::RED_ZONE;

use super::push;
use crate::memory::GuestMemory;

/// What of the interrupted guest code goes into the frame. On i386 the upper halves are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Address of the next instruction.
    pub instruction: u64,
    /// Stack pointer.
    pub stack: u64,
    /// eflags or rflags.
    pub flags: u64,
    /// Code selector.
    pub code_selector: u64,
    /// Stack selector.
    pub stack_selector: u64,
}

impl Interrupted {
    /// Writes the frame; its address, or `None` if the guest has no memory there.
    pub(super) fn push(&self, memory: &GuestMemory, width: Width) -> Option<u64> {
        let Interrupted {
            instruction,
            stack,
            flags,
            code_selector,
            stack_selector,
        } = *self;
        match width {
            // rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).
            Width::Bits64 => {
                let top = stack.checked_sub(RED_ZONE)? & !15;
                let words = [instruction, code_selector, flags, stack, stack_selector];
                push(memory, top, words.map(u64::to_le_bytes).as_flattened())
            }
            // eip, cs, eflags (Intel SDM volume 3, 6.12.1).
            Width::Bits32 => {
                let words = [instruction as u32, code_selector as u32, flags as u32];
                push(memory, stack, words.map(u32::to_le_bytes).as_flattened())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::sync::atomic::Ordering;

    use paravirt_abi::vcpu::VcpuPage;

    use super::super::deliver;
    use super::*;
    use crate::fault::Cause;
    use crate::image::Access;
    use crate::memory::{MapError, Pages};
    use crate::page::Page;

    /// A vCPU page with line 3 pending, interrupts on and an upcall entry in itself; and a stack.
    #[repr(C)]
    struct Guest {
        page: VcpuPage,
        stack: [u64; 512],
    }

    /// The test's own memory, which is there already.
    #[derive(Debug)]
    struct OwnMemory;

    // SAFETY: the tests map a `Guest` that outlives its memory.
    unsafe impl Pages for OwnMemory {
        fn map(&self, _: u64, _: u64) -> Result<(), MapError> {
            Ok(())
        }

        fn protect(&self, _: u64, _: u64, _: Access) -> Result<(), MapError> {
            Ok(())
        }

        fn unmap(&self, _: u64, _: u64) {}
    }

    fn with_guest(test: impl FnOnce(Page, &GuestMemory, &Interrupted)) {
        // SAFETY: a guest of zeros is a valid one.
        let mut guest: Box<Guest> = Box::new(unsafe { core::mem::zeroed() });
        let start = &raw mut *guest as u64;
        guest.page.interrupts_enabled = 1;
        guest.page.upcall_entry = start;
        let access = Access {
            read: true,
            write: true,
            execute: true,
        };
        let mut memory = GuestMemory::new(Box::new(OwnMemory));
        memory.map(start, start + 8192, access).unwrap();
        // SAFETY: the guest outlives the test.
        let page = unsafe { Page::new(start) };
        page.pending().fetch_or(1 << 3, Ordering::SeqCst);
        let interrupted = Interrupted {
            instruction: 0x1111,
            stack: start + 8184,
            flags: 0x202,
            code_selector: 0x33,
            stack_selector: 0x2b,
        };
        test(page, &memory, &interrupted);
    }

    #[test]
    fn the_frame_for_x86_64_lies_aligned_below_the_red_zone() {
        with_guest(|page, memory, interrupted| {
            let upcall = deliver(page, memory, Width::Bits64, interrupted);
            let upcall = upcall.unwrap().expect("a line is pending");
            assert_eq!(upcall.instruction, page.upcall_entry());
            assert_eq!((upcall.stack + 40) % 16, 0);
            assert!(upcall.stack + 40 <= interrupted.stack - RED_ZONE);
            let bytes = memory.read(upcall.stack, 40).unwrap();
            let words: Vec<u64> = bytes
                .chunks_exact(8)
                .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
                .collect();
            assert_eq!(words, [0x1111, 0x33, 0x202, interrupted.stack, 0x2b]);
            assert!(!page.interrupts_enabled());
            let again = deliver(page, memory, Width::Bits64, interrupted);
            assert_eq!(again, Ok(None), "interrupts are off");
        });
    }

    #[test]
    fn the_frame_for_i386_ends_at_the_stack_pointer() {
        with_guest(|page, memory, interrupted| {
            let upcall = deliver(page, memory, Width::Bits32, interrupted);
            let upcall = upcall.unwrap().expect("a line is pending");
            assert_eq!(upcall.stack + 12, interrupted.stack);
            let bytes = memory.read(upcall.stack, 12).unwrap();
            assert_eq!(bytes, [0x11, 0x11, 0, 0, 0x33, 0, 0, 0, 2, 2, 0, 0]);
        });
    }

    #[test]
    fn a_guest_without_a_stack_is_stopped() {
        with_guest(|page, memory, interrupted| {
            for stack in [0, RED_ZONE, 0x1000, interrupted.stack + 4096] {
                let interrupted = Interrupted { stack, ..*interrupted };
                for width in [Width::Bits32, Width::Bits64] {
                    let result = deliver(page, memory, width, &interrupted);
                    assert_eq!(result, Err(Cause::UpcallStack), "{stack:#x}");
                }
            }
            assert!(page.interrupts_enabled(), "nothing was delivered");
        });
    }

    #[test]
    fn nothing_pending_is_nothing_to_do() {
        with_guest(|page, memory, interrupted| {
            assert_eq!(page.pending().swap(0, Ordering::SeqCst), 1 << 3);
            let result = deliver(page, memory, Width::Bits64, interrupted);
            assert_eq!(result, Ok(None));
        });
    }
}
