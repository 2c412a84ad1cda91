// SPDX-License-Identifier: MIT OR Apache-2.0
//! Last words of an image without a backend for the host that entered it.

use crate::start::Entry;

/// Says so on the best channel that such an entry leaves, and stops.
pub(super) fn no_backend(entry: &Entry) -> ! {
    stop_in_machine(entry);
    program()
}

/// The names of the image's backends, for messages.
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
struct Names;
#[cfg(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
))]
impl core::fmt::Display for Names {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if super::BACKENDS.is_empty() {
            f.write_str("none")?;
        }
        for (number, backend) in super::BACKENDS.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{}", backend.name)?;
        }
        Ok(())
    }
}

/// An image that has nothing for ring 0 or EL1 is not entered there.
#[cfg(not(any(
    all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")),
    all(feature = "el1", target_arch = "aarch64")
)))]
fn stop_in_machine(_entry: &Entry) {}

/// At EL1, where Linux' system call would be a fault: names the backends there are, and stops.
#[cfg(all(feature = "el1", target_arch = "aarch64"))]
fn stop_in_machine(entry: &Entry) {
    use crate::el1::device_tree::{self, DeviceTree};
    use crate::el1::{self, message};
    use crate::start::EntryPoint;

    if entry.point != EntryPoint::Reset {
        return;
    }
    // SAFETY: no backend starts.
    let is_xen = unsafe { device_tree::get() }.is_some_and(DeviceTree::names_xen);
    let host = if is_xen { "Xen" } else { "a processor out of reset" };
    message::say(format_args!(
        "no backend for {host} in this image; it has: {Names}; name another in `image!` (QEMU, KVM: bare; Xen: xen)"
    ));
    el1::stop("fault", 1)
}

/// In ring 0, where Linux's system call would be a jump to nowhere, and in a PV domain of Xen: names the hypervisor and
/// the backends there are, and stops.
#[cfg(all(feature = "ring0", any(target_arch = "x86", target_arch = "x86_64")))]
fn stop_in_machine(entry: &Entry) {
    use crate::ring0::cpuid::{self, Signature};
    use crate::ring0::{self, message, processor};
    use crate::start::EntryPoint;

    let is_pv = entry.point == EntryPoint::XenPv;
    if !is_pv && !processor::is_in_ring0() {
        return;
    }
    if is_pv {
        // The processor does not name Xen to a PV domain; its entry point does.
        message::say(format_args!("no backend for Xen in this image"));
    } else if cpuid::hypervisor() == Some(Signature::NONE) {
        message::say(format_args!(
            "no backend for a hypervisor that does not name itself in this image"
        ));
    } else if let Some(signature) = cpuid::hypervisor() {
        message::say(format_args!("no backend for hypervisor `{signature}` in this image"));
    } else {
        message::say(format_args!(
            "no backend for a processor without a hypervisor in this image"
        ));
    }
    message::say(format_args!(
        "it was entered by its {}; it has: {Names}; name another in `image!` (a PC, QEMU, KVM: bare; Xen: xen)",
        match entry.point {
            EntryPoint::Elf | EntryPoint::Reset => "ELF entry point",
            EntryPoint::Pvh => "PVH note",
            EntryPoint::XenPv => "Xen PV note",
            EntryPoint::Own(name) => name,
        }
    ));
    ring0::stop("fault", 1)
}

/// The ELF entry point without a start info block means that an operating system's loader entered. On Linux that is
/// good for two system calls; elsewhere the first of them faults or is ignored, and the undefined instruction ends it.
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

/// See above; by `svc`.
#[cfg(target_arch = "aarch64")]
fn program() -> ! {
    // SAFETY: write(2, text, length), then exit_group(1).
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") 64,
            inlateout("x0") 2_usize => _,
            in("x1") TEXT.as_ptr(),
            in("x2") TEXT.len(),
        );
        core::arch::asm!("svc #0", "udf #0", in("x8") 94, in("x0") 1, options(noreturn));
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
const TEXT: &str = "paravirt: no backend in this image for the host that entered it. Run it with `pvhost run`, \
    or name the backend in `image!` (as a Linux program: linux_syscall).\n";

/// No loader is known on this architecture.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn program() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
