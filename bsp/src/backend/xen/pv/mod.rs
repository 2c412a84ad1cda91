// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is particular to PV domains: entry, traps, page tables. x86-64 only, as in Debian's Xen.

use core::arch::asm;
use core::ffi::{CStr, c_void};

use paravirt_abi::error::Error;

use super::hypercall::Instruction;
use super::ring::Ring;
use super::{console, domain, hypercall as common, power};
use crate::ring0::{self, cpuid, processor};
use crate::start::{self, Entry, EntryPoint};

mod entry;
mod hypercall;
pub(super) mod irq;
pub(super) mod mapping;
mod traps;

/// The page in whose place the console ring is mapped.
static RING: Ring = Ring::new();

/// What the magic of a [`StartInfo`] begins with.
const MAGIC: &[u8] = b"xen-3.";
/// `SIF_INITDOMAIN`.
const CONTROLS_MACHINE: u32 = 1 << 1;

/// `struct start_info` (Xen's public headers, version 4.17: `xen/include/public/xen.h`).
#[repr(C)]
pub(super) struct StartInfo {
    /// `xen-<version>-<platform>`.
    magic: [u8; 32],
    /// Pages of the domain.
    pub(super) pages: usize,
    /// Machine address of the shared page.
    pub(super) shared_info: u64,
    flags: u32,
    store_frame: u64,
    store_channel: u32,
    /// Machine page number of the console ring, unless the domain controls the machine.
    pub(super) console_frame: u64,
    /// Its event channel.
    pub(super) console_channel: u32,
    /// Address of the topmost page table.
    pub(super) page_table: usize,
    page_table_pages: usize,
    /// Address of the list of machine page numbers.
    pub(super) frames: *const u64,
    module: usize,
    module_length: usize,
    command_line: [u8; 1024],
}

impl StartInfo {
    /// Returns whether the domain controls the machine (is dom0).
    pub(super) fn controls_machine(&self) -> bool {
        self.flags & CONTROLS_MACHINE != 0
    }

    /// The command line without its NUL.
    pub(super) fn command_line(&self) -> &[u8] {
        CStr::from_bytes_until_nul(&self.command_line).map_or(&[], CStr::to_bytes)
    }
}

/// From the entry point: makes the domain fit for Rust code that may fault, then goes the common way.
///
/// # Safety
/// For the entry point, once.
unsafe extern "C" fn enter(info: *const StartInfo, stack: *mut c_void) -> ! {
    common::set_instruction(Instruction::Syscall);
    traps::install();
    domain::set_pv(hypercall::grant_ports());
    console::start_messages();
    // SAFETY: it ends the domain.
    unsafe { ring0::set_stop(power::stop) };
    ring0::refuse_red_zone();
    if cpuid::has_avx(features()) {
        // SAFETY: Xen lets the domain use it, and does both instructions in its place.
        unsafe { processor::turn_on_avx() };
    }
    // SAFETY: Xen passes the address of a page.
    let magic = unsafe { (*info).magic };
    if !magic.starts_with(MAGIC) {
        power::refuse(format_args!(
            "the start info at {info:p} does not begin with \"xen-3.\" but with {:02x?}: not a Xen that this layer \
            knows",
            &magic[..MAGIC.len()]
        ));
    }
    let entry = Entry {
        point: EntryPoint::XenPv,
        magic: 0,
        argument: info as usize,
        stack,
    };
    // SAFETY: for the entry point, on the image's stack, with what Xen passed.
    unsafe { start::enter_by(&entry) }
}

/// ecx of the leaf of `cpuid` that lists features, as Xen answers for the domain: the processor's own answer names what
/// Xen may keep to itself. The prefix makes Xen emulate the instruction (Xen's public headers, version 4.17:
/// `xen/include/public/arch-x86/xen.h`, `XEN_EMULATE_PREFIX`).
fn features() -> u32 {
    let features;
    // SAFETY: the undefined instruction with these letters behind it is Xen's. The compiler keeps rbx for itself.
    unsafe {
        asm!(
            "push rbx",
            "mov eax, 1",
            "ud2",
            ".ascii \"xen\"",
            "cpuid",
            "pop rbx",
            out("eax") _, out("ecx") features, out("edx") _,
        );
    }
    features
}

/// The console ring and its event channel.
pub(super) fn console(info: &StartInfo) -> (&'static Ring, u32) {
    // SAFETY: the page is there to be replaced; it is all integers.
    unsafe { mapping::replace(&RING, info.console_frame * 4096) };
    (&RING, info.console_channel)
}

/// Sets the base of thread-local storage: the base of fs.
///
/// # Errors
/// The address is not canonical.
pub(super) fn set_tls(base: usize) -> Result<(), Error> {
    match hypercall::set_fs_base(base) {
        0 => Ok(()),
        _ => Err(Error::InvalidArgument),
    }
}
