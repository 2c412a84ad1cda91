// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instruction of x86 processors. It is executed in place rather than in Xen's hypercall page: it is the same one,
//! and no page of the image need be writable code.

use core::arch::asm;

use crate::local::Local;

// Apart from each other, so that a test can make one answer otherwise than Xen does.
asm_function! { "__paravirt_xen_syscall", align: 32; "syscall", "ret"; } // PV: clobbers rcx and r11
// PVH on processors of Intel and those that do as Intel, and on those of AMD.
asm_function! { "__paravirt_xen_vmcall", align: 32; "vmcall", "ret"; }
asm_function! { "__paravirt_xen_vmmcall", align: 32; "vmmcall", "ret"; }
asm_function! { "__paravirt_xen_unknown", align: 32; "ud2"; } // nobody has said yet how to call

unsafe extern "C" {
    fn __paravirt_xen_syscall();
    fn __paravirt_xen_vmcall();
    fn __paravirt_xen_vmmcall();
    fn __paravirt_xen_unknown();
}

/// How a domain calls Xen.
#[derive(Clone, Copy)]
pub(in super::super) enum Instruction {
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
pub(in super::super) fn set_instruction(instruction: Instruction) {
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
pub(in super::super) unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
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
pub(in super::super) unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
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
