// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends in the way that the argument names, for tests of the host's reports and exit statuses.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;
use core::time::Duration;

use guest_checks::{number, written_code};
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, power, print, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

fn main() -> i32 {
    match start::arguments().next().unwrap_or("") {
        "exit" => return number(1, 0) as i32,
        "fatal" => power::fatal(format_args!("asked for"), number(1, 1) as i32),
        "reset" => power::reset(),
        "panic" => panic!("asked for"),
        "null" => read_null(),
        "text" => write_text(),
        "jump" => jump_nowhere(),
        // SAFETY: it faults, without a stack; that is its purpose.
        "lost" => unsafe { asm!("xor esp, esp", "jmp {}", in(reg) 0x50_usize, options(noreturn)) },
        // SAFETY: as above, with a stack that may be none.
        "wild" => unsafe {
            let (target, stack) = (number(1, 0) as usize, number(2, 0) as usize);
            match stack {
                0 => asm!("jmp {}", in(reg) target, options(noreturn)),
                #[cfg(target_arch = "x86_64")]
                _ => {
                    asm!("mov rsp, {}", "jmp {}", in(reg) stack, in(reg) target, options(noreturn))
                }
                #[cfg(target_arch = "x86")]
                _ => {
                    asm!("mov esp, {}", "jmp {}", in(reg) stack, in(reg) target, options(noreturn))
                }
            }
        },
        "overflow" => {
            black_box(recurse(1));
        }
        "cli" => privileged_cli(),
        // SAFETY: each of these faults; that is their purpose.
        "hlt" => unsafe { asm!("hlt") },
        // SAFETY: as above.
        "undefined" => unsafe { asm!("ud2") },
        "unfinished" => {
            print!("a line without an end");
            // SAFETY: as above.
            unsafe { asm!("ud2") };
        }
        "collected" => {
            b"of a line that was not sent"
                .iter()
                .copied()
                .for_each(paravirt_bsp::console::put);
            // SAFETY: as above.
            unsafe { asm!("ud2") };
        }
        // SAFETY: as above, with the direction flag set.
        "backwards" => unsafe { asm!("std", "ud2", options(noreturn)) },
        // SAFETY: as above.
        "out" => unsafe { asm!("out 0x80, al") },
        // SAFETY: as above.
        "breakpoint" => unsafe { asm!("int3") },
        // SAFETY: as above, after an addition that overflows.
        #[cfg(target_arch = "x86")]
        "into" => unsafe { asm!("mov al, 127", "add al, 1", "into", out("al") _) },
        // SAFETY: as above: 2 is not in 0..=1.
        #[cfg(target_arch = "x86")]
        "bound" => unsafe { asm!("bound {}, [{}]", in(reg) 2, in(reg) &[0, 1]) },
        "syscall" => call_linux(),
        // SAFETY: as above: eax = 0 divided by ecx = 0.
        "divide" => unsafe {
            asm!("xor eax, eax", "cdq", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _);
        },
        // It ends well where the user lets the guest execute its memory.
        "written" => println!("code in free memory gives {}", written_code()),
        "handler" => interrupted(),
        "delivered" => delivers(),
        "raised" => raises(),
        // Who waits for the line knows that the guest has come this far.
        "hang" => {
            println!("hanging");
            cpu::idle_until(|_| false);
        }
        "spin" => {
            println!("spinning");
            loop {
                core::hint::spin_loop();
            }
        }
        other => println!("no such end: {other}"),
    }
    0
}

#[inline(never)]
fn read_null() {
    // SAFETY: it faults; that is its purpose.
    unsafe { core::ptr::read_volatile(black_box(16 as *const u32)) };
}

#[inline(never)]
fn write_text() {
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(write_text as *const () as *mut u8, 0) };
}

#[inline(never)]
fn jump_nowhere() {
    // SAFETY: as above.
    let nowhere: extern "C" fn() = unsafe { core::mem::transmute(black_box(0x50usize)) };
    nowhere();
}

/// Is interrupted by a handler that faults.
#[inline(never)]
fn interrupted() {
    let timer = Timer::new(1).expect("there is one");
    let started = timer
        .attach(&|_, _| faults())
        .and_then(|()| timer.start_once(Duration::from_millis(1)));
    started.expect("a timer");
    loop {
        core::hint::spin_loop();
    }
}

/// Has a handler run that faults, by turning interrupts on.
#[inline(never)]
fn delivers() {
    let line = Line::new(9).expect("there is one");
    line.attach(&|_| faults()).expect("nobody else has it");
    cpu::without_interrupts(|_| line.raise().expect("it is attached"));
}

/// Has a handler run that faults, in a call of the host.
#[inline(never)]
fn raises() {
    let line = Line::new(9).expect("there is one");
    line.attach(&|_| faults()).expect("nobody else has it");
    line.raise().expect("it is attached");
}

#[inline(never)]
fn faults() {
    // SAFETY: it faults; that is its purpose.
    unsafe { asm!("ud2") };
}

/// Asks Linux for the process's number, past the host.
#[inline(never)]
fn call_linux() {
    // SAFETY: the call has no arguments and changes nothing; on most kernels it faults.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inout("eax") 39 => _, out("rcx") _, out("r11") _);
        #[cfg(target_arch = "x86")]
        asm!("int 0x80", inout("eax") 20 => _);
    }
}

#[inline(never)]
fn privileged_cli() {
    // SAFETY: as above.
    unsafe { asm!("cli") };
}

#[inline(never)]
fn recurse(depth: usize) -> usize {
    let space = black_box([depth; 64]);
    if depth == usize::MAX {
        depth
    } else {
        recurse(depth + 1) + space[depth % 64]
    }
}
