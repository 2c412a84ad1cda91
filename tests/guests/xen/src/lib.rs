// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls that the backend does not make, for guests that play another part beside their own.
//!
//! On x86, on the processor that QEMU emulates for PVH domains, which is one of AMD's.
#![no_std]

use core::arch::asm;

const CONSOLE_IO: usize = 18;
const EVENT_CHANNEL_OP: usize = 32;
const DOMID_SELF: u16 = 0x7ff0;

/// A hypercall of three arguments; a negative error number on failure. `pv`: which kind of domain makes it.
///
/// # Safety
/// The arguments must be what the call asks for.
#[cfg(target_arch = "x86_64")]
unsafe fn call(pv: bool, number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: the caller answers for the arguments.
    unsafe {
        if pv {
            asm!(
                "syscall",
                inlateout("rax") number as isize => result,
                inlateout("rdi") a => _, inlateout("rsi") b => _, inlateout("rdx") c => _,
                lateout("rcx") _, lateout("r11") _,
            );
        } else {
            asm!(
                "vmmcall",
                inlateout("rax") number as isize => result,
                inlateout("rdi") a => _, inlateout("rsi") b => _, inlateout("rdx") c => _,
            );
        }
    }
    result
}

/// A hypercall of three arguments; a negative error number on failure. There are no PV domains on i386.
///
/// # Safety
/// The arguments must be what the call asks for.
#[cfg(target_arch = "x86")]
unsafe fn call(_pv: bool, number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: the caller answers for the arguments.
    unsafe {
        asm!(
            "vmmcall",
            inlateout("eax") number as isize => result,
            inlateout("ebx") a => _, inlateout("ecx") b => _, inlateout("edx") c => _,
        );
    }
    result
}

/// A hypercall of three arguments; a negative error number on failure. There is one kind of domains on AArch64.
///
/// # Safety
/// The arguments must be what the call asks for.
#[cfg(target_arch = "aarch64")]
unsafe fn call(_pv: bool, number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: the caller answers for the arguments.
    unsafe {
        asm!(
            "hvc #0xea1",
            in("x16") number,
            inlateout("x0") a => result,
            inlateout("x1") b => _, inlateout("x2") c => _, lateout("x3") _, lateout("x4") _,
        );
    }
    result
}

/// Writes to Xen's own console, whatever the guest's console is.
pub fn say(pv: bool, text: &str) {
    // SAFETY: Xen reads that many bytes.
    unsafe { call(pv, CONSOLE_IO, 0, text.len(), text.as_ptr() as usize) };
}

/// An event channel from the domain to itself, of which the backend knows nothing: the end to send from. The other one
/// is unmasked.
///
/// # Panics
/// If Xen gives none.
#[must_use]
pub fn loop_back(pv: bool) -> u32 {
    const ALLOC_UNBOUND: usize = 6;
    const BIND_INTERDOMAIN: usize = 0;
    const UNMASK: usize = 9;
    #[repr(C)]
    struct AllocUnbound {
        domain: u16,
        remote_domain: u16,
        port: u32,
    }
    #[repr(C)]
    struct BindInterdomain {
        remote_domain: u16,
        remote_port: u32,
        local_port: u32,
    }
    let mut end = AllocUnbound {
        domain: DOMID_SELF,
        remote_domain: DOMID_SELF,
        port: 0,
    };
    event_channel_op(pv, ALLOC_UNBOUND, (&raw mut end).cast());
    let mut other = BindInterdomain {
        remote_domain: DOMID_SELF,
        remote_port: end.port,
        local_port: 0,
    };
    event_channel_op(pv, BIND_INTERDOMAIN, (&raw mut other).cast());
    event_channel_op(pv, UNMASK, (&raw mut end.port).cast());
    other.local_port
}

/// Sends an event from that end of a channel.
///
/// # Panics
/// If Xen refuses.
pub fn send(pv: bool, mut port: u32) {
    const SEND: usize = 4;
    event_channel_op(pv, SEND, (&raw mut port).cast());
}

fn event_channel_op(pv: bool, command: usize, argument: *mut u8) {
    // SAFETY: the callers pass the structure of the command.
    let error = unsafe { call(pv, EVENT_CHANNEL_OP, command, argument as usize, 0) };
    assert!(error >= 0, "event channel command {command}: error {error}");
}
