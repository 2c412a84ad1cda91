// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns the processor's alignment check on, as user mode may: no code of the host's may notice.
#![no_std]
#![no_main]

use core::arch::asm;
use core::time::Duration;

use paravirt_bsp::{cpu, timer::Timer};

paravirt_bsp::image! { main: main }

const TIMER: Timer = Timer::new(0).expect("timer 0 exists");
/// The flag.
const CHECK: usize = 1 << 18;

unsafe extern "C" {
    fn pv_console_write(buffer: *const u8, length: usize) -> isize;
}

/// Long enough to be copied by wide accesses, which are not aligned at one of two addresses.
static TEXT: &[u8] = b"a text that a host may copy in any way, aligned or not\n";

fn main() -> i32 {
    // No code of this image may notice either, and handlers would.
    cpu::disable_interrupts();
    TIMER
        .start_periodic(Duration::from_millis(1))
        .expect("the timer starts");
    spin();
    let kept = write(TEXT) && write(&TEXT[1..]);
    let ticked = TIMER.expirations() > 0;
    i32::from(!(kept && ticked))
}

/// For some ticks of the timer, which the host counts meanwhile.
fn spin() {
    // SAFETY: changes the flag and back, and no memory; user mode may.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "pushfq",
            "or qword ptr [rsp], {check}",
            "popfq",
            "2: dec {count:e}",
            "jnz 2b",
            "pushfq",
            "xor qword ptr [rsp], {check}",
            "popfq",
            count = inout(reg) 100_000_000 => _,
            check = const CHECK,
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "pushfd",
            "or dword ptr [esp], {check}",
            "popfd",
            "2: dec {count}",
            "jnz 2b",
            "pushfd",
            "xor dword ptr [esp], {check}",
            "popfd",
            count = inout(reg) 100_000_000 => _,
            check = const CHECK,
        );
    }
}

/// Writes to the console. Returns whether all was taken and the flag is still on after it.
fn write(text: &[u8]) -> bool {
    let (taken, flags): (usize, usize);
    // SAFETY: as above, around a call of a function that keeps to the C ABI.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "pushfq",
            "or qword ptr [rsp], {check}",
            "popfq",
            "call {write}",
            "pushfq",
            "mov rcx, [rsp]",
            "and qword ptr [rsp], ~{check}",
            "popfq",
            check = const CHECK,
            write = sym pv_console_write,
            inout("rdi") text.as_ptr() => _,
            inout("rsi") text.len() => _,
            out("rax") taken,
            out("rcx") flags,
            clobber_abi("C"),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "pushfd",
            "or dword ptr [esp], {check}",
            "popfd",
            "push ecx",
            "push eax",
            "call {write}",
            "add esp, 8",
            "pushfd",
            "mov ecx, [esp]",
            "and dword ptr [esp], ~{check}",
            "popfd",
            check = const CHECK,
            write = sym pv_console_write,
            inout("eax") text.as_ptr() as usize => taken,
            inout("ecx") text.len() => flags,
            clobber_abi("C"),
        );
    }
    taken == text.len() && flags & CHECK != 0
}
