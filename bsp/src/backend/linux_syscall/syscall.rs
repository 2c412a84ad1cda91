// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls of Linux, by number, and the layouts that signals need (`asm/unistd.h`, `asm/sigcontext.h`).

use core::mem::MaybeUninit;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(target_arch = "x86")]
pub(super) use i386::*;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::*;

macro_rules! numbers {
    ($($name:ident: $x86_64:literal $i386:literal $aarch64:literal,)*) => {$(
        pub(super) const $name: usize = if cfg!(target_arch = "x86_64") {
            $x86_64
        } else if cfg!(target_arch = "x86") {
            $i386
        } else {
            $aarch64
        };
    )*};
}

// The calls that every architecture has: x86-64, i386, AArch64.
numbers! {
    READ: 0 3 63,
    WRITE: 1 4 64,
    RT_SIGACTION: 13 174 134,
    RT_SIGPROCMASK: 14 175 135,
    GETPID: 39 20 172,
    FCNTL: 72 221 25, // i386: fcntl64
    RT_SIGSUSPEND: 130 179 133,
    SIGALTSTACK: 131 186 132,
    TIMER_CREATE: 222 259 107,
    TIMER_SETTIME: 223 409 110, // i386: timer_settime64
    CLOCK_GETTIME: 228 403 113, // i386: clock_gettime64
    EXIT_GROUP: 231 252 94,
}

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
    use core::arch::asm;
    use core::mem::MaybeUninit;

    pub(in super::super) const POLL: usize = 7;
    pub(in super::super) const MMAP: usize = 9;
    pub(in super::super) const ARCH_PRCTL: usize = 158;

    /// Offset of the registers in `struct ucontext`, and the numbers of those an upcall changes.
    pub(in super::super) const REGISTERS: usize = 40;
    pub(in super::super) const STACK_POINTER: usize = 15;
    pub(in super::super) const INSTRUCTION: usize = 16;
    pub(in super::super) const FLAGS: usize = 17;
    pub(in super::super) const SEGMENTS: usize = 18;
    /// Offset of `uc_sigmask`.
    pub(in super::super) const MASK: usize = 296;

    asm_function! {
        "__paravirt_linux_restore", align: 1;
        "    movl $15, %eax", // rt_sigreturn
        "    syscall";
        options(att_syntax),
    }

    /// # Safety
    /// As of [`super::syscall4`].
    #[inline]
    pub(super) unsafe fn call(number: usize, [a, b, c]: [usize; 3], d: MaybeUninit<usize>) -> isize {
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
    use core::arch::asm;
    use core::mem::MaybeUninit;

    use crate::local::Local;

    pub(in super::super) const MODIFY_LDT: usize = 123;
    pub(in super::super) const POLL: usize = 168;
    const OLD_MMAP: usize = 90;

    /// Offset of the registers in `struct ucontext`, and the numbers of those an upcall changes.
    pub(in super::super) const REGISTERS: usize = 20;
    pub(in super::super) const STACK_POINTER: usize = 7;
    pub(in super::super) const INSTRUCTION: usize = 14;
    pub(in super::super) const SEGMENTS: usize = 15;
    pub(in super::super) const FLAGS: usize = 16;
    /// Offset of `uc_sigmask`.
    pub(in super::super) const MASK: usize = 108;

    asm_function! {
        "__paravirt_linux_restore", align: 1;
        "    movl $173, %eax", // rt_sigreturn
        "    int $0x80";
        options(att_syntax),
    }

    // How the kernel is entered: by the interrupt that every kernel and emulator has, until `enter_by` knows better.
    // The entry of the kernel's own leaves all registers but eax alone, as the interrupt does.
    asm_function! {
        "__paravirt_linux_interrupt", align: 1;
        "    .cfi_startproc",
        "    int $0x80",
        "    ret",
        "    .cfi_endproc";
        options(att_syntax),
    }
    // The fourth argument comes in edi: LLVM keeps esi for itself.
    asm_function! {
        "__paravirt_linux_syscall", align: 1;
        "    .cfi_startproc",
        "    xchgl %edi, %esi",
        "    .cfi_register edi, esi",
        "    .cfi_register esi, edi",
        "    calll *{entry}",
        "    xchgl %edi, %esi",
        "    .cfi_restore edi",
        "    .cfi_restore esi",
        "    ret",
        "    .cfi_endproc";
        entry = sym ENTRY,
        options(att_syntax),
    }

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

    /// # Safety
    /// As of [`super::syscall4`].
    #[inline]
    pub(super) unsafe fn call(number: usize, [a, b, c]: [usize; 3], d: MaybeUninit<usize>) -> isize {
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
        unsafe { super::syscall3(OLD_MMAP, arguments.as_ptr() as usize, 0, 0) }
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use core::arch::asm;
    use core::mem::MaybeUninit;

    pub(in super::super) const PPOLL: usize = 73;
    const MMAP: usize = 222;

    asm_function! {
        "__paravirt_linux_restore", align: 4;
        "    mov x8, #{rt_sigreturn}",
        "    svc #0";
        rt_sigreturn = const paravirt_abi::aarch64::RT_SIGRETURN,
    }

    /// # Safety
    /// As of [`super::syscall4`].
    #[inline]
    pub(super) unsafe fn call(number: usize, [a, b, c]: [usize; 3], d: MaybeUninit<usize>) -> isize {
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

/// A system call of up to three arguments, whose pointers the caller answers for; a negative error number on failure.
///
/// # Safety
/// The arguments must be what the call of that number asks for.
#[inline]
pub(super) unsafe fn syscall3(number: usize, a: usize, b: usize, c: usize) -> isize {
    // SAFETY: handed on; the kernel does not look at a fourth argument.
    unsafe { call(number, [a, b, c], MaybeUninit::uninit()) }
}

/// As [`syscall3`], with four arguments.
///
/// # Safety
/// As there.
#[inline]
pub(super) unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    // SAFETY: handed on.
    unsafe { call(number, [a, b, c], MaybeUninit::new(d)) }
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
