// SPDX-License-Identifier: MIT OR Apache-2.0
//! The upcall entry: where a host, or a processor in ring 0, interrupts the guest.
//!
//! On entry the virtual interrupt flag is off and the stack holds the frame that the processor would push. The entry
//! owns the window at its end: all registers are restored *before* the store that turns the flag on; then come the test
//! for pending lines and `iret`. An upcall that interrupts in that window finds everything but the outer frame gone,
//! discards its own frame and goes on with the outer one, so that frames never pile up. The host need not know of the
//! window.
//!
//! Whoever turns interrupts on while something is pending runs the same body by a call. Handlers begin alike, and of
//! the state below what a call keeps is kept: control words and exception flags, too. That takes less of the stack.
//!
//! # State of the processor
//!
//! | | kept for the interrupted code | what handlers begin with |
//! |---|---|---|
//! | general registers, flags | yes | direction flag clear |
//! | x87, MMX | yes | stack empty, control word 0x37f |
//! | SSE | yes | MXCSR 0x1f80 |
//! | AVX, where XCR0 has it | yes | undefined, as for any function |
//! | wider state: AVX-512, AMX | no: `pvhost check` refuses an image whose code uses it | |
//!
//! All that is kept lies on the interrupted stack: at most 943 bytes on i386 and 1,063 on x86-64 from the interrupted
//! stack pointer, or its red zone, to the first byte of the body's frame; 320 less without AVX. In ring 0 the layer
//! turns AVX on at its start, and nothing wider, so that code with wider state faults there.
//!
//! ```no_run
//! use paravirt_bsp::{irq, upcall};
//!
//! /// What an operating system does around its interrupts.
//! unsafe extern "C" fn interrupt() {
//!     // .. count the nesting level up, change to the interrupt stack ..
//!     // SAFETY: called as the body of an upcall is, and changes nothing of that.
//!     unsafe { irq::dispatch() };
//!     // .. and back; at the outermost level, let another thread run.
//! }
//!
//! fn install() {
//!     // SAFETY: it does what `set_body` asks for.
//!     unsafe { upcall::set_body(interrupt) };
//! }
//! # fn main() {}
//! ```

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use core::arch::asm;

use crate::irq;
use crate::local::Local;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[macro_use]
mod x86;
#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
pub(crate) use {interrupt_frame, push_all, restore_state, save_state};

/// What runs between saving and restoring the registers: [`irq::dispatch`], or an operating system's prologue around
/// it.
pub(crate) static BODY: Local<unsafe extern "C" fn()> = Local::new(irq::dispatch);

/// Control word of the SSE unit at program start (System V ABI, 3.2.1): all exceptions masked, round to nearest.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) static DEFAULT_MXCSR: u32 = 0x1f80;

/// What an upcall saves beside the general registers, by the bits of XCR0 (Intel SDM volume 1, 13.1): x87, SSE, AVX.
/// An operating system's context switch may look at it by this name: what is not kept cannot be used.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[unsafe(export_name = "__paravirt_components")]
pub(crate) static COMPONENTS: Local<u32> = Local::new(X87 | SSE);
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const X87: u32 = 1 << 0;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const SSE: u32 = 1 << 1;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const AVX: u32 = 1 << 2;

#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" {
    /// Turns interrupts off, handles what is pending and turns them on, until nothing is: as an upcall would do that
    /// came here. So they must be on.
    #[cold]
    #[link_name = "__paravirt_deliver"]
    pub(crate) fn deliver();
}

/// Handles what is pending. The upcalls of other architectures are not defined by this version of the ABI.
///
/// # Safety
/// Interrupts are on.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
#[cold]
pub(crate) unsafe fn deliver() {
    let flag = crate::vcpu::interrupt_flag();
    // A line that comes between the store of 1 and the test is delivered by an upcall or found by the test.
    while crate::vcpu::pending().load(core::sync::atomic::Ordering::Relaxed) != 0 {
        flag.write(0);
        // SAFETY: interrupts are off, at a point where the caller has just turned them on.
        unsafe { BODY.get()() };
        flag.write(1);
    }
}

/// Finds out whether AVX state is to be kept: where the operating system below, or a backend in ring 0, turned it on.
/// To be called before interrupts are on.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) fn find_components() {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::__cpuid;
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::__cpuid;
    const OSXSAVE: u32 = 1 << 27;

    if __cpuid(1).ecx & OSXSAVE != 0 {
        let on: u32;
        // SAFETY: XCR0 is read where the processor says that there is one.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") on, out("edx") _, options(nomem, nostack, preserves_flags)) };
        COMPONENTS.set(COMPONENTS.get() | on & AVX);
    }
}

/// From now on no SSE state is kept: for a backend whose kernel does not turn SSE on.
#[cfg(all(feature = "pok", target_arch = "x86"))]
pub(crate) fn without_sse() {
    COMPONENTS.set(X87);
}

/// Puts an operating system's interrupt prologue around [`irq::dispatch`]: nesting level, interrupt stack, thread
/// dispatch.
///
/// # Safety
/// `body` is called with interrupts off, on the stack of the interrupted code, with the [state](self) that handlers
/// begin with. It must call [`irq::dispatch`] once, and return with interrupts off on the stack it was called on. In
/// between it may turn interrupts on and let other threads run. A thread that is in [`irq::Line::attach_for`] or
/// [`crate::timer::Timer::attach_for`] must not be deleted: its handler would stay.
pub unsafe fn set_body(body: unsafe extern "C" fn()) {
    BODY.set(body);
}
