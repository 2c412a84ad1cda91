// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest with 500 external functions: binding them inside the guest, and finding one by its name.
#![no_std]
#![no_main]

use core::ffi::c_char;
use core::hint::black_box;

use guest_bench::{bench_body, mode, step, time};
use paravirt_bsp::external::{self, Table};
use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

include!(concat!(env!("OUT_DIR"), "/externals.rs"));

/// The last of them, for which a chain of comparisons takes longest.
const LAST: &str = "host_499_call";

unsafe extern "C" {
    fn measure_strcmp_chain(names: *const *const c_char, count: u32, wanted: *const c_char) -> u32;
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_bind(_: u32) {
    let bound = external::bind(BODIES.as_slice()).expect("the same prototypes");
    assert!(bound == CALLS.len(), "every function was bound");
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measure_find(_: u32) {
    assert!(black_box(Table::of_image().find(LAST)).is_some());
}

fn chain() -> usize {
    let mut names = [core::ptr::null(); CALLS.len()];
    let mut table = Table::of_image().entries();
    for name in &mut names {
        // The interface's functions, which begin with `pv_`, come last.
        *name = table.next().expect("as many entries").name().as_ptr();
    }
    // SAFETY: all are NUL-terminated.
    let index = unsafe { measure_strcmp_chain(names.as_ptr(), names.len() as u32, names[names.len() - 1]) };
    index as usize
}

fn main() -> i32 {
    match mode() {
        "time" => {
            time("bind", 1, measure_bind);
            time("find", 1, measure_find);
        }
        "count" => {
            measure_bind(0);
            measure_find(0);
            assert!(chain() == CALLS.len() - 1, "the last one");
        }
        // The first call of the last function, then a second one: with lazy binding they differ by the resolver.
        "step" => {
            for _ in 0..2 {
                // SAFETY: any number; whoever asks for this mode traces the guest.
                unsafe { step(CALLS[CALLS.len() - 1]) };
            }
        }
        "call" => {
            for call in CALLS {
                // SAFETY: any number.
                assert!(unsafe { call(7) } == 7, "they return their argument");
            }
            println!("called {}", CALLS.len());
        }
        _ => return 2,
    }
    0
}
