// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least that a call from 32-bit code to 64-bit code in one process can cost: a far call and a far return.

use std::arch::global_asm;
use std::ptr;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Linux' selectors of 64-bit and of 32-bit code (asm/segment.h: __USER_CS, __USER32_CS).
const CODE_64: u8 = 0x33;
const CODE_32: u16 = 0x23;

const BELOW_4_GIB: MapFlags = MapFlags::from_bits_retain(libc::MAP_32BIT as u32);

const SIZE: usize = 4096;
/// Offsets of the parts in low memory.
const CALLEE: usize = 32;
const BACK: usize = 48;

unsafe extern "sysv64" {
    /// Runs 32-bit code through a far pointer with `count` in ecx, on the stack that ends at `stack`.
    fn bench_far_enter(far_pointer: *const FarPointer, count: u64, stack: u64);
    /// Where that code returns to. Not a function: it returns from `bench_far_enter`.
    fn bench_far_return();
}

#[repr(C, packed)]
struct FarPointer {
    offset: u32,
    selector: u16,
}

global_asm!(
    ".pushsection .text.bench_far, \"ax\", @progbits",
    ".globl bench_far_enter",
    "bench_far_enter:",
    "push rbx", // what our ABI preserves
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + 2f], rsp", // 32-bit code cannot keep a 64-bit stack pointer
    "mov ecx, esi",        // the count
    "mov rsp, rdx",        // a stack below 4 GiB
    "jmp fword ptr [rdi]", // to 32-bit code
    ".globl bench_far_return",
    "bench_far_return:",
    "mov rsp, [rip + 2f]", // back on our stack
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".popsection",
    ".pushsection .bss.bench_far, \"aw\", @nobits",
    ".balign 8",
    "2: .zero 8", // our stack pointer meanwhile
    ".popsection",
);

/// ns for a far call and the far return: the fastest of many batches.
///
/// # Errors
/// There is no memory below 4 GiB.
pub fn time() -> Result<f64> {
    const COUNT: u32 = 2000;
    // SAFETY: a new mapping where the kernel finds room.
    let low = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            SIZE,
            ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC,
            MapFlags::PRIVATE | BELOW_4_GIB,
        )
    }
    .context("cannot map memory below 4 GiB")?;
    let start = u32::try_from(low as usize).context("the mapping is above 4 GiB")?;
    let code = code(start);
    // SAFETY: the mapping is writable and larger than the code.
    unsafe {
        low.cast::<u8>().copy_from_nonoverlapping(code.as_ptr(), code.len());
    }
    let entry = FarPointer {
        offset: start,
        selector: CODE_32,
    };
    let mut fastest = f64::INFINITY;
    for _ in 0..200 {
        let begin = Instant::now();
        // SAFETY: the code above uses ecx and the rest of the mapping as its stack, and comes back.
        unsafe { bench_far_enter(&entry, COUNT.into(), u64::from(start) + SIZE as u64) };
        fastest = fastest.min(begin.elapsed().as_nanos() as f64 / f64::from(COUNT));
    }
    // SAFETY: nobody uses the mapping any more.
    unsafe { munmap(low, SIZE) }?;
    Ok(fastest)
}

/// The code for low memory at `start`: a loop in 32-bit code, the callee and the way back in 64-bit code.
fn code(start: u32) -> [u8; 62] {
    let mut code = [0xcc; 62];
    let callee = (start + CALLEE as u32).to_le_bytes();
    let back = (start + BACK as u32).to_le_bytes();
    code[0] = 0x9a; // lcall $0x33, $callee
    code[1..5].copy_from_slice(&callee);
    code[5..7].copy_from_slice(&[CODE_64, 0]);
    code[7] = 0x49; // dec %ecx
    code[8..10].copy_from_slice(&[0x75, 0xf6]); // jnz, to the call
    code[10] = 0xea; // ljmp $0x33, $back
    code[11..15].copy_from_slice(&back);
    code[15..17].copy_from_slice(&[CODE_64, 0]);
    code[CALLEE] = 0xcb; // lret: pops a 32-bit address and the selector
    code[BACK..BACK + 6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]); // jmp *0(%rip), the word that follows
    code[BACK + 6..].copy_from_slice(&(bench_far_return as *const () as u64).to_le_bytes());
    code
}
