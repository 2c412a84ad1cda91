// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of its stack an interrupt takes from code that leaves it nothing to spare: `stack [HZ] [INTERRUPTS]`.
#![no_std]
#![no_main]

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::registers;
use guest_checks::{SECOND, number};
use paravirt_bsp::timer::{TICK, Timer};
use paravirt_bsp::{cpu, println};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// Bytes watched below the interrupted stack pointer.
const WATCHED: usize = 32 << 10;
/// What they hold as long as nobody writes there.
const UNTOUCHED: u8 = 0xa5;
/// Most that an interrupt may take: what the entry saves, and 900 bytes for dispatcher and handler.
const MOST: usize = 2048;

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; WATCHED]>);
// SAFETY: there is one vCPU; while the stack is in use, nobody looks at its bytes.
unsafe impl Sync for Stack {}
static STACK: Stack = Stack(UnsafeCell::new([UNTOUCHED; WATCHED]));

static CALLS: AtomicU32 = AtomicU32::new(0);

fn count(_timer: Timer, _expirations: u64) {
    registers::disturb();
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn main() -> i32 {
    // No interrupt but on the watched stack.
    cpu::disable_interrupts();
    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer.attach(&count).expect("nobody else uses it");
    let period = SECOND / number(0, 1000);
    timer.start_ns(period, period).expect("a period in range");
    wait(number(1, 100) as u32);
    timer.stop().expect("it runs");
    // SAFETY: nobody uses the stack any more.
    let bytes = unsafe { &*STACK.0.get() };
    let left = bytes.iter().take_while(|&&byte| byte == UNTOUCHED).count();
    let taken = WATCHED - left;
    println!(
        "stack: an interrupt takes {taken} bytes, of {MOST} that it may; AVX: {}",
        registers::has_avx()
    );
    i32::from(taken == 0 || taken > MOST)
}

/// Waits for that many interrupts on the watched stack, of which it uses nothing.
fn wait(interrupts: u32) {
    let top = STACK.0.get().cast::<u8>().wrapping_add(WATCHED);
    // SAFETY: no critical section is open; `main` turned them off.
    unsafe { cpu::enable_interrupts() };
    // SAFETY: the stack is aligned and this code's alone. Without `nostack` nothing lies below the stack pointer that
    // is left, and the loop uses no stack but by interrupts.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "xchg rsp, {stack}",
            "2: cmp dword ptr [{calls}], {interrupts:e}",
            "jb 2b",
            "mov rsp, {stack}",
            stack = inout(reg) top => _, calls = in(reg) CALLS.as_ptr(), interrupts = in(reg) interrupts,
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "xchg esp, {stack}",
            "2: cmp dword ptr [{calls}], {interrupts}",
            "jb 2b",
            "mov esp, {stack}",
            stack = inout(reg) top => _, calls = in(reg) CALLS.as_ptr(), interrupts = in(reg) interrupts,
        );
    }
    cpu::disable_interrupts();
}
