// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own code in each process (`vdso(7)`): a clock that is read without a system call, and on i386 the fast
//! way into the kernel. The auxiliary vector names their places, unless the kernel, an emulator or a debugger leaves
//! them out.
//!
//! The code is an ELF file in memory (gABI, chapters 4 and 5). Its one loaded segment has the address 0, which Linux'
//! build has checked since 2014, and its names lie directly behind its symbols (`vdso-layout.lds.S`). Before, the
//! address was one in the kernel's half of the address space: that code is not used. The clock takes some 150 bytes of
//! its caller's stack.

use super::syscall::Timespec;

/// `clock_gettime`: which clock, and where its time goes.
pub(super) type ClockGettime = unsafe extern "C" fn(usize, *mut Timespec) -> i32;

/// The function's name there. i386 has one with 32-bit seconds, too.
#[cfg(target_arch = "x86_64")]
const NAME: [u8; 21] = *b"__vdso_clock_gettime\0";
#[cfg(target_arch = "aarch64")]
const NAME: [u8; 23] = *b"__kernel_clock_gettime\0";
#[cfg(target_arch = "x86")]
const NAME: [u8; 23] = *b"__vdso_clock_gettime64\0";

/// Kinds of entries: in the auxiliary vector, among program headers, in the dynamic section. 0 ends the first and the
/// last.
#[cfg(target_arch = "x86")]
const AT_SYSINFO: usize = 32;
const AT_SYSINFO_EHDR: usize = 33;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_STRSZ: usize = 10;

/// The ELF header, as far as it is read.
#[repr(C)]
struct Header {
    identification: [u8; 16],
    kinds: [u32; 2],
    entry: usize,
    segments: usize,
    sections: usize,
    flags: u32,
    sizes: [u16; 2],
    segment_count: u16,
}

/// A program header.
#[repr(C)]
struct Segment {
    kind: u32,
    #[cfg(target_pointer_width = "64")]
    flags: u32,
    offset: usize,
    address: usize,
    rest: [usize; 3],
    #[cfg(target_pointer_width = "32")]
    flags: u32,
    align: usize,
}

/// A symbol.
#[repr(C)]
struct Symbol {
    name: u32,
    #[cfg(target_pointer_width = "64")]
    kind: u32,
    value: usize,
    size: usize,
    #[cfg(target_pointer_width = "32")]
    kind: u32,
}

/// A list of kinds and values that ends with kind 0.
#[derive(Clone, Copy)]
struct List(*const [usize; 2]);

impl List {
    /// The value of the first entry of that kind; if there is none, that of the end, which is 0.
    ///
    /// # Safety
    /// It must be such a list.
    #[inline(never)] // several calls of it, and the guest is small
    unsafe fn value(self, kind: usize) -> usize {
        let mut entry = self.0;
        loop {
            // SAFETY: the list's end was not seen yet.
            let [found, value] = unsafe { entry.read() };
            if found == kind || found == 0 {
                return value;
            }
            entry = entry.wrapping_add(1);
        }
    }
}

/// Finds both. The function that reads a clock is the result, if there is one.
///
/// # Safety
/// `stack` must be the initial stack of a Linux program: argc, argv, NULL, environment, NULL, auxiliary vector.
pub(super) unsafe fn start(stack: *const usize) -> Option<ClockGettime> {
    // SAFETY: the layout of the stack.
    unsafe {
        let mut end_of_environment = stack.add(stack.read() + 2);
        while end_of_environment.read() != 0 {
            end_of_environment = end_of_environment.add(1);
        }
        let auxiliary = List(end_of_environment.add(1).cast());
        #[cfg(target_arch = "x86")]
        super::syscall::enter_by(auxiliary.value(AT_SYSINFO));
        let image = auxiliary.value(AT_SYSINFO_EHDR) as *const u8;
        if image.is_null() {
            return None;
        }
        clock_gettime(image)
    }
}

/// # Safety
/// `image` must be an ELF file that the kernel put into the process.
unsafe fn clock_gettime(image: *const u8) -> Option<ClockGettime> {
    // SAFETY: headers and dynamic section are where the file says. No symbol is looked at behind the symbols, nor a
    // byte behind the names. The function is what its name says.
    unsafe {
        let header = image.cast::<Header>();
        let mut segment = image.add((*header).segments).cast::<Segment>();
        let end = segment.add(usize::from((*header).segment_count));
        while (*segment).kind != PT_DYNAMIC {
            segment = segment.add(1);
            if segment == end {
                return None;
            }
        }
        let dynamic = List(image.add((*segment).offset).cast());
        let names = dynamic.value(DT_STRTAB);
        if names as isize <= 0 {
            return None; // none, or in the kernel's half
        }
        let names = image.add(names);
        let last = dynamic.value(DT_STRSZ).checked_sub(NAME.len())?;
        let mut symbol = image.add(dynamic.value(DT_SYMTAB)).cast::<Symbol>();
        while symbol.cast() < names {
            let name = (*symbol).name as usize;
            // In a loop, which is smaller than what the compiler makes of comparing arrays.
            let is_it = |index| names.add(name + index).read() == NAME[index];
            if name <= last && (0..NAME.len()).all(is_it) {
                let function = image.add((*symbol).value);
                return Some(core::mem::transmute::<*const u8, ClockGettime>(function));
            }
            symbol = symbol.add(1);
        }
        None
    }
}
