// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls: the instruction, and those that every kind of domain makes.
//!
//! Numbers and layouts are those of Xen's public headers, version 4.17 (`xen/include/public/`: `xen.h`,
//! `event_channel.h`, `sched.h`, `vcpu.h`, `version.h`). The instruction is executed in place rather than in Xen's
//! hypercall page: it is the same one, and no page of the image need be writable code.

use core::arch::{asm, global_asm};

use crate::local::Local;

const XEN_VERSION: usize = 17;
const CONSOLE_IO: usize = 18;
const VCPU_OP: usize = 24;
const SCHED_OP: usize = 29;
const EVENT_CHANNEL_OP: usize = 32;

/// The domain that makes the call, where one is asked for.
pub(super) const DOMID_SELF: u16 = 0x7ff0;

// Apart from each other, so that a test can make one answer otherwise than Xen does.
global_asm!(
    ".pushsection .text.paravirt_xen_hypercall, \"ax\", @progbits",
    ".globl __paravirt_xen_syscall, __paravirt_xen_vmcall, __paravirt_xen_vmmcall, __paravirt_xen_unknown",
    ".hidden __paravirt_xen_syscall, __paravirt_xen_vmcall, __paravirt_xen_vmmcall, __paravirt_xen_unknown",
    ".balign 32",
    "__paravirt_xen_syscall:",
    "    syscall", // PV: clobbers rcx and r11
    "    ret",
    ".balign 32",
    "__paravirt_xen_vmcall:",
    "    vmcall", // PVH on processors of Intel and those that do as Intel
    "    ret",
    ".balign 32",
    "__paravirt_xen_vmmcall:",
    "    vmmcall", // PVH on processors of AMD
    "    ret",
    ".balign 32",
    "__paravirt_xen_unknown:",
    "    ud2", // nobody has said yet how to call
    ".popsection",
);

unsafe extern "C" {
    fn __paravirt_xen_syscall();
    fn __paravirt_xen_vmcall();
    fn __paravirt_xen_vmmcall();
    fn __paravirt_xen_unknown();
}

/// How a domain calls Xen.
#[derive(Clone, Copy)]
pub(super) enum Instruction {
    /// `syscall`: PV.
    #[cfg(target_arch = "x86_64")]
    Syscall,
    /// `vmcall`: PVH with Intel's virtualisation.
    Vmcall,
    /// `vmmcall`: PVH with AMD's.
    Vmmcall,
}

static GATE: Local<unsafe extern "C" fn()> = Local::new(__paravirt_xen_unknown);

/// Says how this domain calls Xen. Comes before the first call.
pub(super) fn set_instruction(instruction: Instruction) {
    GATE.set(match instruction {
        #[cfg(target_arch = "x86_64")]
        Instruction::Syscall => __paravirt_xen_syscall,
        Instruction::Vmcall => __paravirt_xen_vmcall,
        Instruction::Vmmcall => __paravirt_xen_vmmcall,
    });
}

/// A hypercall; a negative error number on failure.
///
/// # Safety
/// The arguments must be what the call of that number asks for; memory that it writes must be the caller's to change.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result;
    let [a, b, c, d] = arguments;
    // SAFETY: the caller answers for the arguments. Debug builds of Xen overwrite their registers.
    unsafe {
        asm!(
            "call {gate}",
            gate = in(reg) GATE.get(),
            inlateout("rax") number as isize => result,
            inlateout("rdi") a => _, inlateout("rsi") b => _, inlateout("rdx") c => _, inlateout("r10") d => _,
            lateout("r8") _, lateout("r9") _, lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// A hypercall; a negative error number on failure.
///
/// # Safety
/// As on x86-64. The fourth argument is for calls that PV domains make, and ignored.
#[cfg(target_arch = "x86")]
pub(super) unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result;
    let [a, b, c, _] = arguments;
    // SAFETY: the caller answers for the arguments. Debug builds of Xen overwrite their registers.
    unsafe {
        asm!(
            "call {gate}",
            gate = in(reg) GATE.get(),
            inlateout("eax") number as isize => result,
            inlateout("ebx") a => _, inlateout("ecx") b => _, inlateout("edx") c => _,
        );
    }
    result
}

/// Major and minor version of Xen.
pub(super) fn version() -> (u16, u16) {
    const XENVER_VERSION: usize = 0;
    // SAFETY: no arguments.
    let version = unsafe { call(XEN_VERSION, [XENVER_VERSION, 0, 0, 0]) };
    ((version >> 16) as u16, version as u16)
}

/// The first 32 of Xen's feature flags (`features.h`), by bit number; none if it does not say.
pub(super) fn features() -> u32 {
    const XENVER_GET_FEATURES: usize = 6;
    /// `struct xen_feature_info`.
    #[repr(C)]
    struct FeatureInfo {
        submap_index: u32,
        submap: u32,
    }
    let mut info = FeatureInfo {
        submap_index: 0,
        submap: 0,
    };
    // SAFETY: the structure that the call fills.
    let error = unsafe { call(XEN_VERSION, [XENVER_GET_FEATURES, &raw mut info as usize, 0, 0]) };
    if error < 0 { 0 } else { info.submap }
}

/// Writes to Xen's own console: the serial line for the domain that controls the machine, else Xen's log.
pub(super) fn console_write(text: &[u8]) -> isize {
    const CONSOLEIO_WRITE: usize = 0;
    // SAFETY: Xen reads that many bytes.
    unsafe { call(CONSOLE_IO, [CONSOLEIO_WRITE, text.len(), text.as_ptr() as usize, 0]) }
}

/// Reads from Xen's own console without waiting; the number of bytes.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
pub(super) unsafe fn console_read(buffer: *mut u8, length: usize) -> isize {
    const CONSOLEIO_READ: usize = 1;
    // SAFETY: passed on.
    unsafe { call(CONSOLE_IO, [CONSOLEIO_READ, length, buffer as usize, 0]) }
}

/// Has the timer event come once at `deadline`, in ns of Xen's system time; at once if that has passed.
pub(super) fn set_timer(deadline: u64) -> isize {
    const VCPUOP_SET_SINGLESHOT_TIMER: usize = 8;
    /// `struct vcpu_set_singleshot_timer`.
    #[repr(C)]
    struct Singleshot {
        timeout: u64,
        flags: u32,
    }
    let timer = Singleshot {
        timeout: deadline,
        flags: 0,
    };
    // SAFETY: the structure that the call reads.
    unsafe { call(VCPU_OP, [VCPUOP_SET_SINGLESHOT_TIMER, 0, &raw const timer as usize, 0]) }
}

/// Stops the one-shot timer.
pub(super) fn stop_timer() {
    const VCPUOP_STOP_SINGLESHOT_TIMER: usize = 9;
    // SAFETY: a number.
    unsafe { call(VCPU_OP, [VCPUOP_STOP_SINGLESHOT_TIMER, 0, 0, 0]) };
}

/// Stops the periodic timer that PV domains start with.
#[cfg(target_arch = "x86_64")]
pub(super) fn stop_periodic_timer() {
    const VCPUOP_STOP_PERIODIC_TIMER: usize = 7;
    // SAFETY: a number.
    unsafe { call(VCPU_OP, [VCPUOP_STOP_PERIODIC_TIMER, 0, 0, 0]) };
}

/// Why a domain stops, for whoever controls it.
#[derive(Clone, Copy)]
pub(super) enum Shutdown {
    Poweroff = 0,
    Reboot = 1,
    Crash = 3,
}

/// Stops the domain.
pub(super) fn shutdown(reason: Shutdown) -> ! {
    const SCHEDOP_SHUTDOWN: usize = 2;
    let reason = reason as u32;
    loop {
        // SAFETY: `struct sched_shutdown` is this number.
        unsafe { call(SCHED_OP, [SCHEDOP_SHUTDOWN, &raw const reason as usize, 0, 0]) };
    }
}

/// Unmasks events for the domain and waits until one is pending, atomically. PV.
#[cfg(target_arch = "x86_64")]
pub(super) fn block() {
    const SCHEDOP_BLOCK: usize = 1;
    // SAFETY: no arguments; an event ends the wait.
    unsafe { call(SCHED_OP, [SCHEDOP_BLOCK, 0, 0, 0]) };
}

/// Binds a virtual interrupt to an event channel; its port, or a negative error number.
pub(super) fn bind_virq(virq: u32) -> Result<u32, isize> {
    const EVTCHNOP_BIND_VIRQ: usize = 1;
    /// `struct evtchn_bind_virq`.
    #[repr(C)]
    struct BindVirq {
        virq: u32,
        vcpu: u32,
        port: u32,
    }
    let mut bind = BindVirq { virq, vcpu: 0, port: 0 };
    // SAFETY: the structure that the call fills.
    let error = unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_BIND_VIRQ, &raw mut bind as usize, 0, 0]) };
    if error < 0 { Err(error) } else { Ok(bind.port) }
}

/// Unmasks an event channel; if it is pending, the event comes now.
pub(super) fn unmask(port: u32) {
    const EVTCHNOP_UNMASK: usize = 9;
    // SAFETY: `struct evtchn_unmask` is this number.
    unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_UNMASK, &raw const port as usize, 0, 0]) };
}

/// Tells the other end of an event channel.
pub(super) fn send(port: u32) {
    const EVTCHNOP_SEND: usize = 4;
    // SAFETY: `struct evtchn_send` is this number.
    unsafe { call(EVENT_CHANNEL_OP, [EVTCHNOP_SEND, &raw const port as usize, 0, 0]) };
}
