// SPDX-License-Identifier: MIT OR Apache-2.0
//! Last words of an image without a backend for the host that entered it.

/// Says so on the one channel that such an entry leaves, and stops.
///
/// The ELF entry point without a start info block means that an operating system's loader entered. On Linux that is good
/// for two system calls; elsewhere the first of them faults or is ignored, and the undefined instruction ends it.
#[cfg(target_arch = "x86_64")]
pub(super) fn no_backend() -> ! {
    // SAFETY: write(2, text, length), then exit_group(1); Linux clobbers rcx and r11.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("eax") 1 => _,
            in("edi") 2,
            in("rsi") TEXT.as_ptr(),
            in("edx") TEXT.len(),
            out("rcx") _,
            out("r11") _,
        );
        core::arch::asm!("syscall", "ud2", in("eax") 231, in("edi") 1, options(noreturn));
    }
}

/// See above; by `int 0x80`.
#[cfg(target_arch = "x86")]
pub(super) fn no_backend() -> ! {
    // SAFETY: write(2, text, length), then exit_group(1).
    unsafe {
        core::arch::asm!(
            "int 0x80",
            inlateout("eax") 4 => _,
            in("ebx") 2,
            in("ecx") TEXT.as_ptr(),
            in("edx") TEXT.len(),
        );
        core::arch::asm!("int 0x80", "ud2", in("eax") 252, in("ebx") 1, options(noreturn));
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const TEXT: &str = "paravirt: no backend in this image for the host that entered it. Run it with `pvhost run`, \
    or name the backend in `image!` (as a Linux program: linux_syscall).\n";

/// No loader is known on this architecture.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
pub(super) fn no_backend() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
