// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread pointer, which host code finds in fs: the guest may have one of its own there, and in gs on i386.
//!
//! To write the base of fs costs more than all else in a call. So a guest runs with the host's until it has set one, or
//! has changed it by itself, which its first call after that finds out by a look: the first word of what fs points to
//! is its own address (System V ABI for TLS, variant 2). If the base is no address at all, the look faults, and the
//! handler continues at the other answer.

use std::arch::{asm, global_asm};
use std::cell::Cell;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;
use paravirt_host_core::layout::GUEST_END;

use super::signals::{STATE, State};

/// First address that user code may not use (Intel SDM volume 1, 3.3.7.1; the processor refuses non-canonical bases).
const USER_END: u64 = 1 << 47;
/// First entry of the local descriptor table, privilege level 3.
const LDT_SELECTOR: u16 = 0b111;

unsafe extern "sysv64" {
    /// 1 if fs is the host's, 0 if not; changes rax only.
    fn pv_fs_is_hosts() -> u32;
    fn pv_fs_look();
    fn pv_fs_is_other();
}

global_asm!(
    ".pushsection .text.pv_fs, \"ax\", @progbits",
    ".balign 64",
    ".globl pv_fs_is_hosts, pv_fs_look, pv_fs_is_other",
    ".type pv_fs_is_hosts, @function",
    "pv_fs_is_hosts:",
    "movq {state}+{host_thread_pointer}(%rip), %rax",
    "pv_fs_look:",
    "cmpq %fs:0, %rax",
    "jne pv_fs_is_other",
    "movl $1, %eax",
    "retq",
    "pv_fs_is_other:",
    "xorl %eax, %eax",
    "retq",
    ".size pv_fs_is_hosts, . - pv_fs_is_hosts",
    ".popsection",
    state = sym STATE,
    host_thread_pointer = const offset_of!(State, host_thread_pointer),
    options(att_syntax),
);

/// Where a thread continues that has faulted at `instruction` because of what fs is.
pub(super) fn after_fault(instruction: u64) -> Option<u64> {
    (instruction == pv_fs_look as *const () as u64).then_some(pv_fs_is_other as *const () as u64)
}

/// What is in fs.
#[derive(Clone, Copy, Debug)]
struct Fs {
    selector: u16,
    base: u64,
}

/// The guest's thread pointer.
#[derive(Debug)]
pub(super) struct ThreadPointer {
    /// Whether user mode may read and write fs and gs base.
    fsgsbase: bool,
    /// `None`: the guest has the host's.
    guest: Cell<Option<Fs>>,
}

impl ThreadPointer {
    /// `fsgsbase`: whether that is used if the kernel permits it (Linux, x86/x86_64/fsgs.rst).
    pub(super) fn new(fsgsbase: bool) -> Self {
        const HWCAP2_FSGSBASE: u64 = 1 << 1;
        // SAFETY: no pointers.
        let permitted = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_FSGSBASE != 0;
        Self {
            fsgsbase: fsgsbase && permitted,
            guest: Cell::new(None),
        }
    }

    /// The system call that setting the base of a guest of that width takes, if it is one that no other guest needs.
    pub(super) fn call(&self, width: Width) -> Option<u32> {
        let needed = width == Width::Bits32 && !self.fsgsbase;
        needed.then_some(libc::SYS_modify_ldt as u32)
    }

    /// Tells the signal entry about this thread.
    pub(super) fn begin(&self) {
        let base: u64;
        // SAFETY: reads the word that every thread of the host has there.
        unsafe { asm!("mov {}, fs:0", out(reg) base, options(nostack, preserves_flags, readonly)) };
        STATE.host_thread_pointer.store(base, Ordering::SeqCst);
        let fsgsbase = self.fsgsbase.into();
        STATE.fsgsbase.store(fsgsbase, Ordering::SeqCst);
    }

    /// The guest has ended: gs, which it may have used for thread-local storage, is empty again.
    pub(super) fn end(&self) {
        // SAFETY: an empty selector; 64-bit code on Linux does not use gs.
        unsafe { asm!("mov gs, {:x}", in(reg) 0_u32, options(nostack, preserves_flags)) };
    }

    /// The guest's base of fs; 0 if it has none of its own.
    pub(super) fn base(&self) -> u64 {
        self.guest.get().map_or(0, |fs| fs.base)
    }

    /// From guest to host. Before it, no thread-local storage is used.
    #[inline]
    pub(super) fn enter_host(&self) {
        // SAFETY: compares a word in memory, or faults, which the handler knows.
        if self.guest.get().is_some() || unsafe { pv_fs_is_hosts() } == 0 {
            self.exchange();
        }
    }

    #[cold]
    fn exchange(&self) {
        self.guest.set(Some(self.read()));
        let base = STATE.host_thread_pointer.load(Ordering::Relaxed);
        self.write(Fs { selector: 0, base });
    }

    /// From host to guest.
    #[inline]
    pub(super) fn leave_host(&self) {
        if let Some(fs) = self.guest.get() {
            self.write(fs);
        }
    }

    fn read(&self) -> Fs {
        let (selector, mut base): (u16, u64);
        // SAFETY: reads registers, the base as the kernel permits, or has the kernel store it in a live variable
        // (asm/prctl.h).
        unsafe {
            asm!("mov {:x}, fs", out(reg) selector, options(nomem, nostack, preserves_flags));
            if self.fsgsbase {
                asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags));
            } else {
                base = 0;
                arch_prctl(ARCH_GET_FS, &raw mut base as u64);
            }
        }
        Fs { selector, base }
    }

    fn write(&self, fs: Fs) {
        // SAFETY: what the guest or the host has had there; the selector is one that was loaded before.
        unsafe {
            if self.fsgsbase {
                asm!("wrfsbase {}", in(reg) fs.base, options(nostack, preserves_flags));
            } else if fs.selector == 0 {
                arch_prctl(ARCH_SET_FS, fs.base);
            } else {
                asm!("mov fs, {:x}", in(reg) fs.selector, options(nostack, preserves_flags));
            }
        }
    }

    /// Sets the base for a guest of that width. In a host function.
    pub(super) fn set(&self, width: Width, base: u64) -> Result<(), Error> {
        match width {
            Width::Bits64 if base >= USER_END => Err(Error::InvalidArgument),
            Width::Bits64 => {
                self.guest.set(Some(Fs { selector: 0, base }));
                Ok(())
            }
            Width::Bits32 if base >= GUEST_END => Err(Error::InvalidArgument),
            Width::Bits32 if self.fsgsbase => {
                let data: u32;
                // SAFETY: loads the flat data segment of the stack into gs, which 64-bit code on Linux does not use,
                // then its base, which the kernel has said user mode may write.
                unsafe {
                    asm!("mov {:e}, ss", out(reg) data, options(nomem, nostack, preserves_flags));
                    asm!(
                        "mov gs, {selector:x}",
                        "wrgsbase {base}",
                        selector = in(reg) data,
                        base = in(reg) base,
                        options(nostack, preserves_flags),
                    );
                }
                Ok(())
            }
            Width::Bits32 => set_by_descriptor(base as u32),
        }
    }
}

const ARCH_SET_FS: u64 = 0x1002;
const ARCH_GET_FS: u64 = 0x1003;

/// The system call, without the C library, which may look at its thread.
///
/// # Safety
/// As that of the code.
unsafe fn arch_prctl(code: u64, address: u64) {
    // SAFETY: the caller's; the kernel changes rax, rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inout("rax") libc::SYS_arch_prctl => _,
            in("rdi") code,
            in("rsi") address,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
}

/// Without wrgsbase, 32-bit code needs a descriptor with that base.
fn set_by_descriptor(base: u32) -> Result<(), Error> {
    /// Flags of `struct user_desc`: 32-bit segment, limit in pages, usable.
    const FLAGS: u32 = 1 << 0 | 1 << 4 | 1 << 6;
    /// Function code of modify_ldt: write an entry.
    const WRITE: i32 = 0x11;
    let entry: [u32; 4] = [u32::from(LDT_SELECTOR >> 3), base, 0xf_ffff, FLAGS];
    // SAFETY: the call reads the entry, a `struct user_desc`.
    let result = unsafe { libc::syscall(libc::SYS_modify_ldt, WRITE, entry.as_ptr(), size_of_val(&entry)) };
    if result != 0 {
        return Err(Error::Device);
    }
    // SAFETY: loads the descriptor just made into gs, which 64-bit code on Linux does not use.
    unsafe {
        asm!(
            "mov gs, {selector:x}",
            selector = in(reg) u32::from(LDT_SELECTOR),
            options(nostack, preserves_flags),
        );
    }
    Ok(())
}
