// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls of Linux, by number, and the layouts that signals need (`asm/unistd.h`, `asm/sigcontext.h`).

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(target_arch = "x86")]
pub(super) use i386::*;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::*;

/// The signals of this backend: one for timers, one for console input.
pub(super) const SIGNAL_TIMER: u32 = 34;
pub(super) const SIGNAL_CONSOLE: u32 = 29; // SIGIO
/// Both, as the kernel's 64-bit signal set.
pub(super) const SIGNALS: u64 = 1 << (SIGNAL_TIMER - 1) | 1 << (SIGNAL_CONSOLE - 1);

pub(super) const SIG_BLOCK: usize = 0;
pub(super) const SIG_UNBLOCK: usize = 1;

pub(super) const CLOCK_REALTIME: usize = 0;
pub(super) const CLOCK_MONOTONIC: usize = 1;

/// `struct timespec` with 64-bit seconds (`__kernel_timespec`).
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Timespec {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

impl Timespec {
    pub(super) fn from_ns(ns: u64) -> Self {
        Self {
            seconds: (ns / NS_PER_SECOND) as i64,
            nanoseconds: (ns % NS_PER_SECOND) as i64,
        }
    }

    pub(super) fn ns(self) -> u64 {
        (self.seconds as u64)
            .wrapping_mul(NS_PER_SECOND)
            .wrapping_add(self.nanoseconds as u64)
    }
}

const NS_PER_SECOND: u64 = 1_000_000_000;

/// `struct kernel_sigaction`.
#[repr(C)]
pub(super) struct SignalAction {
    pub(super) handler: unsafe extern "C" fn(u32, *const u8, *mut u8),
    pub(super) flags: usize,
    pub(super) restorer: unsafe extern "C" fn(),
    pub(super) mask: u64,
}

/// `SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART`.
pub(super) const ACTION_FLAGS: usize = 4 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000;

/// `stack_t`.
#[repr(C)]
pub(super) struct SignalStack {
    pub(super) start: usize,
    pub(super) flags: u32,
    pub(super) size: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::{asm, global_asm};

    pub(in super::super) const READ: usize = 0;
    pub(in super::super) const WRITE: usize = 1;
    pub(in super::super) const POLL: usize = 7;
    pub(in super::super) const MMAP: usize = 9;
    pub(in super::super) const RT_SIGACTION: usize = 13;
    pub(in super::super) const RT_SIGPROCMASK: usize = 14;
    pub(in super::super) const FCNTL: usize = 72;
    pub(in super::super) const GETPID: usize = 39;
    pub(in super::super) const RT_SIGSUSPEND: usize = 130;
    pub(in super::super) const SIGALTSTACK: usize = 131;
    pub(in super::super) const ARCH_PRCTL: usize = 158;
    pub(in super::super) const TIMER_CREATE: usize = 222;
    pub(in super::super) const TIMER_SETTIME: usize = 223;
    pub(in super::super) const CLOCK_GETTIME: usize = 228;
    pub(in super::super) const EXIT_GROUP: usize = 231;

    /// Offset of the registers in `struct ucontext`, and the numbers of those an upcall changes.
    pub(in super::super) const REGISTERS: usize = 40;
    pub(in super::super) const STACK_POINTER: usize = 15;
    pub(in super::super) const INSTRUCTION: usize = 16;
    pub(in super::super) const FLAGS: usize = 17;
    pub(in super::super) const SEGMENTS: usize = 18;
    /// Offset of `uc_sigmask`.
    pub(in super::super) const MASK: usize = 296;

    global_asm!(
        ".pushsection .text.paravirt_linux_restore, \"ax\", @progbits",
        ".globl __paravirt_linux_restore", // Rust's part may be in another object
        ".hidden __paravirt_linux_restore",
        "__paravirt_linux_restore:",
        "    movl $15, %eax", // rt_sigreturn
        "    syscall",
        ".popsection",
        options(att_syntax),
    );

    /// A system call of up to three arguments, whose pointers the caller answers for; a negative error number on
    /// failure.
    ///
    /// # Safety
    /// The arguments must be what the call of that number asks for.
    #[inline]
    pub(in super::super) unsafe fn syscall3(number: usize, a: usize, b: usize, c: usize) -> isize {
        let result;
        // SAFETY: the caller answers for the arguments; the kernel clobbers rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") number as isize => result,
                in("rdi") a, in("rsi") b, in("rdx") c,
                out("rcx") _, out("r11") _,
                options(nostack),
            );
        }
        result
    }

    /// As [`syscall3`], with four arguments.
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(in super::super) unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
        let result;
        // SAFETY: the caller answers for the arguments; the kernel clobbers rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") number as isize => result,
                in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
                out("rcx") _, out("r11") _,
                options(nostack),
            );
        }
        result
    }

    /// `PROT_READ | PROT_WRITE`, and `PROT_EXEC` if the image asks for executable memory.
    fn rights() -> usize {
        let execute: u32;
        // SAFETY: reads a word of the image that the linker fills in: with the symbol's number, or 0 if it is not
        // defined.
        unsafe {
            asm!(
                ".weak __paravirt_executable_memory",
                "mov {:e}, dword ptr [rip + __paravirt_executable_memory@GOTPCREL]",
                out(reg) execute,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        (3 | execute) as usize
    }

    /// Maps `length` bytes of zeroed memory; the address, or a negative error number.
    pub(super) fn map(length: usize) -> isize {
        let result;
        // SAFETY: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE at an address of the kernel's choice.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") MMAP as isize => result,
                in("rdi") 0, in("rsi") length, in("rdx") rights(), in("r10") 0x4022, in("r8") -1isize, in("r9") 0,
                out("rcx") _, out("r11") _,
                options(nostack),
            );
        }
        result
    }
}

#[cfg(target_arch = "x86")]
mod i386 {
    use core::arch::{asm, global_asm};

    use crate::local::Local;

    pub(in super::super) const READ: usize = 3;
    pub(in super::super) const WRITE: usize = 4;
    pub(in super::super) const GETPID: usize = 20;
    pub(in super::super) const MODIFY_LDT: usize = 123;
    pub(in super::super) const POLL: usize = 168;
    pub(in super::super) const RT_SIGACTION: usize = 174;
    pub(in super::super) const RT_SIGPROCMASK: usize = 175;
    pub(in super::super) const RT_SIGSUSPEND: usize = 179;
    pub(in super::super) const SIGALTSTACK: usize = 186;
    pub(in super::super) const FCNTL: usize = 221; // fcntl64
    pub(in super::super) const EXIT_GROUP: usize = 252;
    pub(in super::super) const TIMER_CREATE: usize = 259;
    pub(in super::super) const CLOCK_GETTIME: usize = 403; // clock_gettime64
    pub(in super::super) const TIMER_SETTIME: usize = 409; // timer_settime64
    const OLD_MMAP: usize = 90;

    /// Offset of the registers in `struct ucontext`, and the numbers of those an upcall changes.
    pub(in super::super) const REGISTERS: usize = 20;
    pub(in super::super) const STACK_POINTER: usize = 7;
    pub(in super::super) const INSTRUCTION: usize = 14;
    pub(in super::super) const SEGMENTS: usize = 15;
    pub(in super::super) const FLAGS: usize = 16;
    /// Offset of `uc_sigmask`.
    pub(in super::super) const MASK: usize = 108;

    global_asm!(
        ".pushsection .text.paravirt_linux_restore, \"ax\", @progbits",
        ".globl __paravirt_linux_restore", // Rust's part may be in another object
        ".hidden __paravirt_linux_restore",
        "__paravirt_linux_restore:",
        "    movl $173, %eax", // rt_sigreturn
        "    int $0x80",
        ".popsection",
        options(att_syntax),
    );

    // How the kernel is entered: by the interrupt that every kernel and emulator has, until `enter_by` knows better.
    // The entry of the kernel's own leaves all registers but eax alone, as the interrupt does.
    global_asm!(
        ".pushsection .text.paravirt_linux_syscall, \"ax\", @progbits",
        ".globl __paravirt_linux_interrupt", // Rust's part may be in another object
        ".hidden __paravirt_linux_interrupt",
        "__paravirt_linux_interrupt:",
        "    .cfi_startproc",
        "    int $0x80",
        "    ret",
        "    .cfi_endproc",
        // The fourth argument comes in edi: LLVM keeps esi for itself.
        ".globl __paravirt_linux_syscall",
        ".hidden __paravirt_linux_syscall",
        "__paravirt_linux_syscall:",
        "    .cfi_startproc",
        "    xchgl %edi, %esi",
        "    .cfi_register edi, esi",
        "    .cfi_register esi, edi",
        "    calll *{entry}",
        "    xchgl %edi, %esi",
        "    .cfi_restore edi",
        "    .cfi_restore esi",
        "    ret",
        "    .cfi_endproc",
        ".popsection",
        entry = sym ENTRY,
        options(att_syntax),
    );

    unsafe extern "C" {
        fn __paravirt_linux_interrupt();
        fn __paravirt_linux_syscall();
    }

    static ENTRY: Local<unsafe extern "C" fn()> = Local::new(__paravirt_linux_interrupt);

    /// Enters the kernel by the function at `address` from now on, unless that is 0: `AT_SYSINFO`.
    ///
    /// # Safety
    /// It must be the kernel's.
    pub(in super::super) unsafe fn enter_by(address: usize) {
        if address != 0 {
            // SAFETY: not null, and the caller's promise.
            ENTRY.set(unsafe { core::mem::transmute::<usize, unsafe extern "C" fn()>(address) });
        }
    }

    /// A system call of up to three arguments, whose pointers the caller answers for; a negative error number on
    /// failure.
    ///
    /// # Safety
    /// The arguments must be what the call of that number asks for.
    #[inline]
    pub(in super::super) unsafe fn syscall3(number: usize, a: usize, b: usize, c: usize) -> isize {
        let result;
        // SAFETY: the caller answers for the arguments.
        unsafe {
            asm!(
                "call {enter}",
                enter = sym __paravirt_linux_syscall,
                inlateout("eax") number as isize => result,
                in("ebx") a, in("ecx") b, in("edx") c,
            );
        }
        result
    }

    /// As [`syscall3`], with four arguments.
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(in super::super) unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
        let result;
        // SAFETY: the caller answers for the arguments.
        unsafe {
            asm!(
                "call {enter}",
                enter = sym __paravirt_linux_syscall,
                inlateout("eax") number as isize => result,
                in("ebx") a, in("ecx") b, in("edx") c, in("edi") d,
            );
        }
        result
    }

    /// `PROT_READ | PROT_WRITE`, and `PROT_EXEC` if the image asks for executable memory.
    fn rights() -> usize {
        let rights;
        // SAFETY: a number that the linker fills in: that of the symbol, or 0 if it is not defined, and the other
        // rights.
        unsafe {
            asm!(
                ".weak __paravirt_executable_memory",
                "mov {}, offset __paravirt_executable_memory + 3",
                out(reg) rights,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        rights
    }

    /// Maps `length` bytes of zeroed memory; the address, or a negative error number.
    pub(super) fn map(length: usize) -> isize {
        // address, length, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, no file, offset
        let arguments: [usize; 6] = [0, length, rights(), 0x4022, usize::MAX, 0];
        // SAFETY: the old mmap takes a pointer to its six arguments.
        unsafe { syscall3(OLD_MMAP, arguments.as_ptr() as usize, 0, 0) }
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use core::arch::{asm, global_asm};

    pub(in super::super) const FCNTL: usize = 25;
    pub(in super::super) const READ: usize = 63;
    pub(in super::super) const WRITE: usize = 64;
    pub(in super::super) const PPOLL: usize = 73;
    pub(in super::super) const EXIT_GROUP: usize = 94;
    pub(in super::super) const TIMER_CREATE: usize = 107;
    pub(in super::super) const TIMER_SETTIME: usize = 110;
    pub(in super::super) const CLOCK_GETTIME: usize = 113;
    pub(in super::super) const SIGALTSTACK: usize = 132;
    pub(in super::super) const RT_SIGSUSPEND: usize = 133;
    pub(in super::super) const RT_SIGACTION: usize = 134;
    pub(in super::super) const RT_SIGPROCMASK: usize = 135;
    pub(in super::super) const GETPID: usize = 172;
    const MMAP: usize = 222;

    global_asm!(
        ".pushsection .text.paravirt_linux_restore, \"ax\", @progbits",
        ".balign 4",
        ".globl __paravirt_linux_restore", // Rust's part may be in another object
        ".hidden __paravirt_linux_restore",
        "__paravirt_linux_restore:",
        "    mov x8, #{rt_sigreturn}",
        "    svc #0",
        ".popsection",
        rt_sigreturn = const paravirt_abi::aarch64::RT_SIGRETURN,
    );

    /// A system call of up to three arguments, whose pointers the caller answers for; a negative error number on
    /// failure.
    ///
    /// # Safety
    /// The arguments must be what the call of that number asks for.
    #[inline]
    pub(in super::super) unsafe fn syscall3(number: usize, a: usize, b: usize, c: usize) -> isize {
        // SAFETY: handed on; the kernel does not look at a fourth argument.
        unsafe { syscall4(number, a, b, c, 0) }
    }

    /// As [`syscall3`], with four arguments.
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(in super::super) unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
        let result;
        // SAFETY: the caller answers for the arguments; the kernel changes nothing but the result.
        unsafe {
            asm!(
                "svc #0",
                in("x8") number,
                inlateout("x0") a as isize => result,
                in("x1") b, in("x2") c, in("x3") d,
                options(nostack),
            );
        }
        result
    }

    /// `PROT_READ | PROT_WRITE`, and `PROT_EXEC` if the image asks for executable memory.
    fn rights() -> usize {
        let execute: usize;
        // SAFETY: a number that the linker fills in: that of the symbol, or 0 if it is not defined.
        unsafe {
            asm!(
                ".weak __paravirt_executable_memory",
                "movz {}, #:abs_g0:__paravirt_executable_memory",
                out(reg) execute,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        3 | execute
    }

    /// Maps `length` bytes of zeroed memory; the address, or a negative error number.
    pub(super) fn map(length: usize) -> isize {
        let result;
        // SAFETY: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE at an address of the kernel's choice.
        unsafe {
            asm!(
                "svc #0",
                in("x8") MMAP,
                inlateout("x0") 0_isize => result,
                in("x1") length, in("x2") rights(), in("x3") 0x4022, in("x4") -1_isize, in("x5") 0,
                options(nostack),
            );
        }
        result
    }
}

/// Maps `length` bytes of zeroed memory; its address, if there is room.
pub(super) fn map_memory(length: usize) -> Option<usize> {
    /// Results from here on are error numbers.
    const ERRORS: usize = usize::MAX - 4095;
    let result = map(length) as usize;
    (result < ERRORS).then_some(result)
}

unsafe extern "C" {
    /// Returns from a signal handler.
    pub(super) fn __paravirt_linux_restore();
}
