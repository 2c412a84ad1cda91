// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks Linux to create the file `escaped`, past the host, in the way that the first argument names. Whoever lets it
//! sees the file.
//!
//! | argument | way |
//! |---|---|
//! | `syscall`, `int80`, `sysenter` | that instruction, in code of the guest's own width |
//! | `far-syscall`, `far-int80`, `far-sysenter` | in code of the other width, to which a far jump leads |
//! | `far-hlt` | no system call: a fault, in code of the other width |
//! | `x32` | x86-64: `syscall` with a number of the x32 ABI |
//! | `vsyscall`, on i386 `far-vsyscall` | the page with the system calls of old, which can only tell the time |
//! | `host ADDRESS` | x86-64: a jump to that address, of the C library's `syscall` in the host |
//!
//! Not every processor has each instruction in each mode: without it, it is an illegal instruction.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ffi::{CStr, c_char};

use guest_checks::number;
use paravirt_bsp::{println, start};

paravirt_bsp::image! { main: main }

const PATH: &CStr = c"escaped";

macro_rules! ways {
    ($($name:literal $function:ident),* $(,)?) => {
        unsafe extern "C" {
            $(fn $function(path: *const c_char, host: usize);)*
        }
        const WAYS: &[(&str, unsafe extern "C" fn(*const c_char, usize))] = &[$(($name, $function)),*];
    };
}

#[cfg(target_arch = "x86_64")]
ways! {
    "syscall" escape_syscall, "int80" escape_int80, "sysenter" escape_sysenter,
    "far-syscall" escape_far_syscall, "far-int80" escape_far_int80, "far-sysenter" escape_far_sysenter,
    "far-hlt" escape_far_hlt,
    "x32" escape_x32, "vsyscall" escape_vsyscall, "host" escape_host,
}

#[cfg(target_arch = "x86")]
ways! {
    "syscall" escape_syscall, "int80" escape_int80, "sysenter" escape_sysenter,
    "far-syscall" escape_far_syscall, "far-int80" escape_far_int80, "far-sysenter" escape_far_sysenter,
    "far-hlt" escape_far_hlt,
    "far-vsyscall" escape_far_vsyscall,
}

fn main() -> i32 {
    let way = start::arguments().next().unwrap_or_default();
    let Some((_, escape)) = WAYS.iter().find(|(name, _)| *name == way) else {
        println!("no such way: {way}");
        return 1;
    };
    println!("escaping");
    // SAFETY: the host stops it; that is its purpose. If not, a file comes into being.
    unsafe { escape(PATH.as_ptr(), number(1, 0) as usize) };
    println!("not stopped");
    0
}

// Path, flags and mode of `open`, where its conventions have them.
global_asm!(
    ".macro escape_arguments_64", // path: edi
    "movl $0x41, %esi",           // O_WRONLY | O_CREAT
    "movl $0644, %edx",
    ".endm",
    ".macro escape_arguments_32", // path: ebx
    "movl $5, %eax",              // open
    "movl $0x41, %ecx",
    "movl $0644, %edx",
    ".endm",
    // With ebp as its second argument (AMD) or with the stack pointer there (Intel).
    ".macro escape_fast_syscall",
    "escape_arguments_32",
    "movl %ecx, %ebp",
    "syscall",
    ".endm",
    ".macro escape_fast_sysenter",
    "escape_arguments_32",
    "movl %esp, %ebp",
    "sysenter",
    ".endm",
    options(att_syntax),
);

// Those that are stopped do not return; those that are not, and return here, need not be able to.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.escape, \"ax\", @progbits",
    ".globl escape_syscall, escape_int80, escape_sysenter, escape_far_syscall, escape_far_int80, escape_far_sysenter",
    ".globl escape_far_hlt, escape_x32, escape_vsyscall, escape_host",
    "escape_syscall:",
    "escape_arguments_64",
    "movl $2, %eax", // open
    "syscall",
    "ret",
    "escape_x32:",
    "escape_arguments_64",
    "movl $0x40000002, %eax",
    "syscall",
    "ret",
    "escape_int80:",
    "movl %edi, %ebx",
    "escape_arguments_32",
    "int $0x80",
    "hlt",
    "escape_sysenter:",
    "movl %edi, %ebx",
    "escape_fast_sysenter",
    "hlt",
    "escape_vsyscall:",
    "xorl %edi, %edi",
    "xorl %esi, %esi",
    "movq $0xffffffffff600000, %rax", // gettimeofday
    "callq *%rax",
    "hlt",
    "escape_host:",
    "movq %rsi, %rax",
    "movq %rdi, %rsi",
    "movl $2, %edi", // open
    "movl $0x41, %edx",
    "movl $0644, %ecx",
    "callq *%rax",
    "hlt",
    "escape_far_syscall:",
    "movl $1f, %eax",
    "jmp 4f",
    "escape_far_int80:",
    "movl $2f, %eax",
    "jmp 4f",
    "escape_far_sysenter:",
    "movl $3f, %eax",
    "jmp 4f",
    "escape_far_hlt:",
    "movl $5f, %eax",
    "4: movl %edi, %ebx",
    "pushq $0x23", // Linux's 32-bit code
    "pushq %rax",
    "lretq",
    ".code32",
    "1: escape_fast_syscall",
    "hlt",
    "2: escape_arguments_32",
    "int $0x80",
    "hlt",
    "3: escape_fast_sysenter",
    "5: hlt",
    ".code64",
    ".popsection",
    options(att_syntax),
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".pushsection .text.escape, \"ax\", @progbits",
    ".globl escape_syscall, escape_int80, escape_sysenter, escape_far_syscall, escape_far_int80, escape_far_sysenter",
    ".globl escape_far_hlt, escape_far_vsyscall",
    "escape_syscall:",
    "movl 4(%esp), %ebx",
    "escape_fast_syscall",
    "hlt",
    "escape_int80:",
    "movl 4(%esp), %ebx",
    "escape_arguments_32",
    "int $0x80",
    "hlt",
    "escape_sysenter:",
    "movl 4(%esp), %ebx",
    "escape_fast_sysenter",
    "hlt",
    "escape_far_syscall:",
    "movl 4(%esp), %edi",
    "ljmpl $0x33, $1f", // Linux's 64-bit code
    "escape_far_int80:",
    "movl 4(%esp), %ebx",
    "ljmpl $0x33, $2f",
    "escape_far_sysenter:",
    "movl 4(%esp), %ebx",
    "ljmpl $0x33, $3f",
    "escape_far_hlt:",
    "ljmpl $0x33, $5f",
    "escape_far_vsyscall:",
    "ljmpl $0x33, $4f",
    ".code64",
    "1: escape_arguments_64",
    "movl $2, %eax", // open
    "syscall",
    "hlt",
    "2: escape_arguments_32",
    "int $0x80",
    "hlt",
    "3: escape_fast_sysenter",
    "5: hlt",
    "4: movl %esp, %esp", // clears the upper half
    "xorl %edi, %edi",
    "xorl %esi, %esi",
    "movabsq $0xffffffffff600000, %rax", // gettimeofday
    "callq *%rax",
    "hlt",
    ".code32",
    ".popsection",
    options(att_syntax),
);
