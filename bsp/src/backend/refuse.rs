// SPDX-License-Identifier: MIT OR Apache-2.0
//! Last words of an image without a backend for the host that entered it.

use crate::start::{Entry, EntryPoint};

/// Says so on the best channel that such an entry leaves, and stops.
pub(super) fn no_backend(entry: &Entry) -> ! {
    match entry.point {
        EntryPoint::Pvh | EntryPoint::XenPv => ring0(entry.point),
        EntryPoint::Elf => program(),
    }
}

/// The image has no such entry point.
#[cfg(not(all(
    any(feature = "bare", feature = "xen"),
    any(target_arch = "x86", target_arch = "x86_64")
)))]
fn ring0(_point: EntryPoint) -> ! {
    program()
}

/// Names the hypervisor and the backends there are.
#[cfg(all(
    any(feature = "bare", feature = "xen"),
    any(target_arch = "x86", target_arch = "x86_64")
))]
fn ring0(point: EntryPoint) -> ! {
    use core::fmt;

    use super::BACKENDS;
    use crate::ring0::cpuid::{self, Signature};
    use crate::ring0::{self, message};

    struct Names;
    impl fmt::Display for Names {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if BACKENDS.is_empty() {
                f.write_str("none")?;
            }
            for (number, backend) in BACKENDS.iter().enumerate() {
                let separator = if number == 0 { "" } else { ", " };
                write!(f, "{separator}{}", backend.name)?;
            }
            Ok(())
        }
    }

    let is_pv = point == EntryPoint::XenPv;
    if is_pv {
        // The processor does not name Xen to a PV domain; its entry point does.
        message::say(format_args!("no backend for Xen in this image"));
    } else if cpuid::hypervisor() == Some(Signature::NONE) {
        message::say(format_args!(
            "no backend for a hypervisor that does not name itself in this image"
        ));
    } else if let Some(signature) = cpuid::hypervisor() {
        message::say(format_args!(
            "no backend for hypervisor `{signature}` in this image"
        ));
    } else {
        message::say(format_args!(
            "no backend for a processor without a hypervisor in this image"
        ));
    }
    message::say(format_args!(
        "it was entered by its {} note; it has: {Names}; name another in `image!` (a PC, QEMU, KVM: bare; Xen: xen)",
        if is_pv { "Xen PV" } else { "PVH" }
    ));
    ring0::stop("fault", 1)
}

/// The ELF entry point without a start info block means that an operating system's loader entered. On Linux that is good
/// for two system calls; elsewhere the first of them faults or is ignored, and the undefined instruction ends it.
#[cfg(target_arch = "x86_64")]
fn program() -> ! {
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
fn program() -> ! {
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
fn program() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
