// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU page of the image and its identity note.
//!
//! ```no_run
//! use paravirt_bsp::vcpu;
//! use volatile::map_field;
//!
//! fn interrupts_are_on() -> bool {
//!     let page = vcpu::page();
//!     map_field!(page.interrupts_enabled).read() != 0
//! }
//! # fn main() {}
//! ```

use core::arch::global_asm;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

use paravirt_abi::line::TIMERS;
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
use paravirt_abi::vcpu::Clock;
use paravirt_abi::vcpu::{VERSION, VcpuPage};
use volatile::access::ReadOnly;
use volatile::{VolatilePtr, map_field};

#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
macro_rules! entry_in_ring0 {
    () => {
        ".reloc ., BFD_RELOC_NONE, __paravirt_pvh"
    };
}
#[cfg(not(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64"))))]
macro_rules! entry_in_ring0 {
    () => {
        ""
    };
}

// The page is written in assembly because its upcall entry is a pointer inside a 64-bit word, which a Rust constant
// cannot hold. What loaders look for lies in the same object file or is referred to from there, so that whoever uses
// the page gets it.
macro_rules! page_and_note {
    (pointer: $pointer:literal, padding: $padding:literal, upcall: $upcall:literal) => {
        global_asm!(
            ".pushsection .data.paravirt_vcpu, \"aw\", %progbits",
            ".balign 4096",
            ".globl __paravirt_vcpu",
            ".type __paravirt_vcpu, %object",
            ".size __paravirt_vcpu, 4096",
            "__paravirt_vcpu:",
            ".long {version}, 0, 0, 0",    // version, interrupts_enabled, pending, spurious
            concat!($pointer, " ", $upcall), // upcall_entry, low half or whole
            $padding,                      // upcall_entry, high half
            ".zero 4096 - 24",
            ".popsection",
            ".pushsection .note.paravirt, \"a\", %note",
            ".balign 4",
            ".long 9, 24, {note_type}",    // length of owner with NUL, of descriptor, type
            ".asciz \"paravirt\"",
            ".balign 4",
            ".long {abi}, {machine}, {flags}, 0",
            concat!($pointer, " __paravirt_vcpu"),
            $padding,
            ".popsection",
            // What the image is entered and started by, but no code refers to: a linker would leave it in its archive.
            // A relocation of that kind changes nothing.
            ".pushsection .text.paravirt_references, \"ax\", %progbits",
            ".reloc ., BFD_RELOC_NONE, __paravirt_backends",
            entry_in_ring0!(),
            ".popsection",
            version = const VERSION,
            note_type = const paravirt_abi::note::TYPE,
            abi = const paravirt_abi::VERSION,
            machine = const MACHINE,
            flags = const NOTE_FLAGS.bits(),
        );
    };
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
page_and_note!(pointer: ".quad", padding: "", upcall: "__paravirt_upcall");
#[cfg(target_arch = "x86")]
page_and_note!(pointer: ".long", padding: ".long 0", upcall: "__paravirt_upcall");
#[cfg(all(
    target_pointer_width = "64",
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
page_and_note!(pointer: ".quad", padding: "", upcall: "0");
#[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
page_and_note!(pointer: ".long", padding: ".long 0", upcall: "0");

/// ELF machine number of this build (gABI, chapter 4).
const MACHINE: u32 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "x86") {
    3
} else if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "arm") {
    40
} else {
    243
};

/// Whether code keeps data below its stack pointer. On i386, `x86_64-unknown-none` and in the ARM and RISC-V ABIs for
/// bare metal it does not; another x86-64 build says so by `--cfg paravirt_no_redzone` beside `-C no-redzone` for all of
/// its code, `core` included.
pub(crate) const HAS_RED_ZONE: bool = cfg!(all(
    target_arch = "x86_64",
    not(target_os = "none"),
    not(paravirt_no_redzone)
));

const NOTE_FLAGS: paravirt_abi::note::Flags = if HAS_RED_ZONE {
    paravirt_abi::note::Flags::empty()
} else {
    paravirt_abi::note::Flags::NO_RED_ZONE
};

const _: () = assert!(
    offset_of!(VcpuPage, upcall_entry) == 16,
    "the assembly above counts on it"
);

unsafe extern "C" {
    static mut __paravirt_vcpu: VcpuPage;
}

/// The vCPU page of the boot vCPU, to be read. The layer and the host change it, so every access is volatile.
#[inline]
pub fn page() -> VolatilePtr<'static, VcpuPage, ReadOnly> {
    writable().restrict()
}

/// The same for this layer, which answers for what it writes.
#[inline]
fn writable() -> VolatilePtr<'static, VcpuPage> {
    // SAFETY: the address of a static is not null, the page is valid for the image's whole life, and no reference to it
    // as a whole is ever made.
    unsafe { VolatilePtr::new(NonNull::new_unchecked(&raw mut __paravirt_vcpu)) }
}

/// The virtual interrupt flag: 1 = on.
#[inline]
pub(crate) fn interrupt_flag() -> VolatilePtr<'static, u32> {
    let page = writable();
    map_field!(page.interrupts_enabled)
}

/// Counter of interrupts without a handler.
pub(crate) fn spurious() -> VolatilePtr<'static, u32> {
    let page = writable();
    map_field!(page.spurious)
}

/// The paravirtual clock.
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
pub(crate) fn clock() -> VolatilePtr<'static, Clock> {
    let page = writable();
    map_field!(page.clock)
}

/// The expirations of a timer.
///
/// # Panics
/// If there is no timer of that number.
pub(crate) fn timer_expirations(timer: u32) -> VolatilePtr<'static, u64> {
    assert!(timer < TIMERS, "no timer of this number");
    let page = writable();
    // SAFETY: the number was checked, so the element lies inside the array.
    unsafe { map_field!(page.timer_expirations).map(|array| array.cast().add(timer as usize)) }
}

/// The word of pending lines; the host sets bits at any time.
#[inline]
pub(crate) fn pending() -> &'static AtomicU32 {
    let page = writable();
    let field = map_field!(page.pending).as_raw_ptr();
    // SAFETY: the field is an atomic inside a page that lives as long as the image; only atomics access it.
    unsafe { field.as_ref() }
}
