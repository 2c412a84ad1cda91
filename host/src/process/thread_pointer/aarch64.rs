// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread pointer, which host code finds in TPIDR_EL0: the guest has one of its own there. User mode may write it,
//! so it is changed at each border.

use std::arch::asm;
use std::cell::Cell;
use std::sync::atomic::Ordering;

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;

use super::signals::STATE;

/// First address that user code may not use, on kernels with addresses of 52 bits (Linux, arch/arm64/memory.rst).
const USER_END: u64 = 1 << 52;

/// Where a thread continues that has faulted at `instruction` because of its thread pointer: no instruction does.
pub(super) const fn after_fault(_: u64) -> Option<u64> {
    None
}

/// The guest's thread pointer.
#[derive(Debug)]
pub(super) struct ThreadPointer {
    guest: Cell<u64>,
}

impl ThreadPointer {
    /// There is one way to change it, whatever is asked for.
    pub(super) const fn new(_: bool) -> Self {
        Self { guest: Cell::new(0) }
    }

    /// The system call that setting it takes: none.
    pub(super) const fn call(&self, _: Width) -> Option<u32> {
        None
    }

    /// Tells the signal entry about this thread.
    pub(super) fn begin(&self) {
        STATE.host_thread_pointer.store(read(), Ordering::SeqCst);
    }

    /// The guest has ended.
    pub(super) const fn end(&self) {}

    /// The guest's.
    pub(super) const fn base(&self) -> u64 {
        self.guest.get()
    }

    /// From guest to host. Before it, no thread-local storage is used.
    #[inline]
    pub(super) fn enter_host(&self) {
        self.guest.set(read());
        write(STATE.host_thread_pointer.load(Ordering::Relaxed));
    }

    /// From host to guest.
    #[inline]
    pub(super) fn leave_host(&self) {
        write(self.guest.get());
    }

    /// Sets the guest's. In a host function.
    pub(super) fn set(&self, _: Width, base: u64) -> Result<(), Error> {
        if base >= USER_END {
            return Err(Error::InvalidArgument);
        }
        self.guest.set(base);
        Ok(())
    }
}

#[inline]
fn read() -> u64 {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, preserves_flags)) };
    pointer
}

#[inline]
fn write(pointer: u64) {
    // SAFETY: what the guest or the host has had there.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) pointer, options(nostack, preserves_flags)) };
}
