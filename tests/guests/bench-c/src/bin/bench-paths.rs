// SPDX-License-Identifier: MIT OR Apache-2.0
//! The short paths of the guest layer: calls, the interrupt flag, the clock. As an ordinary Linux program its host
//! function is bound to a body inside the guest.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::hint::black_box;

use guest_bench::{COUNT, bench_body, mode, now, step, time};
use paravirt_bsp::external::{Functions, Table};
use paravirt_bsp::{cpu, external, in_guest_functions, l4_external_func};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

l4_external_func! {
    /// Returns its argument. The host program of the benchmarks provides it.
    fn bench_host_call(value: u32) -> u32;
    /// Returns its argument. Bound to a body inside the guest.
    fn bench_guest_call(value: u32) -> u32;
}

static GUEST_CALL: Functions<1> = in_guest_functions! { bench_guest_call = bench_body };
static HOST_CALL: Functions<1> = in_guest_functions! { bench_host_call = bench_body };

unsafe extern "C" {
    safe fn measure_interrupts_from_c(count: u32);
    safe fn measure_stores_from_c(count: u32);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_direct_call(count: u32) {
    for number in 0..count {
        // SAFETY: any number.
        black_box(unsafe { bench_body(number) });
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_thunk_call(count: u32) {
    for number in 0..count {
        // SAFETY: any number.
        black_box(unsafe { bench_guest_call(number) });
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_host_call(count: u32) {
    for number in 0..count {
        // SAFETY: any number.
        black_box(unsafe { bench_host_call(number) });
    }
}

/// A word for volatile stores.
struct Word(UnsafeCell<u32>);
// SAFETY: there is one thread, and nothing but the volatile stores below accesses the word.
unsafe impl Sync for Word {}
static WORD: Word = Word(UnsafeCell::new(0));

/// Does it [`UNROLLED`] times in one turn of a loop, because it is shorter than the loop's own instructions.
macro_rules! unrolled {
    ($count:expr, $once:block) => {
        for _ in 0..$count / UNROLLED {
            $once $once $once $once $once $once $once $once $once $once
        }
    };
}
const UNROLLED: u32 = 10;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_stores(count: u32) {
    unrolled!(count, {
        // SAFETY: see `Word`.
        unsafe {
            WORD.0.get().write_volatile(0);
            WORD.0.get().write_volatile(1);
        }
    });
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_interrupts(count: u32) {
    unrolled!(count, {
        cpu::disable_interrupts();
        // SAFETY: no critical section is open.
        unsafe { cpu::enable_interrupts() };
    });
}

/// For C.
#[unsafe(no_mangle)]
extern "C" fn bench_interrupts_off() {
    cpu::disable_interrupts();
}

/// For C.
#[unsafe(no_mangle)]
extern "C" fn bench_interrupts_on() {
    // SAFETY: no critical section is open.
    unsafe { cpu::enable_interrupts() };
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_clock(count: u32) {
    for _ in 0..count {
        black_box(now());
    }
}

type Measured = extern "C" fn(u32);
const MEASURED: [(&str, Measured); 8] = [
    ("direct_call", measure_direct_call),
    ("thunk_call", measure_thunk_call),
    ("host_call", measure_host_call),
    ("stores", measure_stores),
    ("interrupts", measure_interrupts),
    ("stores_from_c", measure_stores_from_c),
    ("interrupts_from_c", measure_interrupts_from_c),
    ("clock", measure_clock),
];

fn main() -> i32 {
    external::bind(GUEST_CALL.as_slice()).expect("the same prototype");
    if !Table::of_image()
        .find("bench_host_call")
        .is_some_and(|entry| entry.is_bound())
    {
        external::bind(HOST_CALL.as_slice()).expect("the same prototype");
    }
    match mode() {
        "time" => {
            for (name, measured) in MEASURED {
                time(name, 20 * COUNT, measured);
            }
        }
        "count" => {
            for (_, measured) in MEASURED {
                measured(COUNT);
            }
        }
        "step" => {
            for _ in 0..20 {
                // SAFETY: any number; whoever asks for this mode traces the guest.
                unsafe { step(bench_host_call) };
            }
        }
        _ => return 2,
    }
    0
}
