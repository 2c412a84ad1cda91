// SPDX-License-Identifier: MIT OR Apache-2.0
//! Has counters of coverage as gcc makes them, under a name and with the faults that its arguments say, and ends with
//! status 7: `coverage NAME [WAY]`.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::ptr;

use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

/// `struct gcov_info` of gcc 12 (libgcc/libgcov.h).
#[repr(C)]
struct Info {
    version: u32,
    next: usize,
    stamp: u32,
    checksum: u32,
    name: *const u8,
    merge: [usize; 8],
    count: u32,
    functions: *const *const Function,
}

/// `struct gcov_fn_info` with one kind of counters.
#[repr(C)]
struct Function {
    key: *const Info,
    ident: u32,
    line_checksum: u32,
    graph_checksum: u32,
    counters: Counters,
}

/// `struct gcov_ctr_info`.
#[repr(C)]
struct Counters {
    count: u32,
    values: *const u64,
}

/// What the host reads and only this program writes, before anybody reads it.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: there is one thread.
unsafe impl<T> Sync for Shared<T> {}

static NAME: Shared<[u8; 256]> = Shared(UnsafeCell::new([0; 256]));
static VALUES: Shared<[u64; 2]> = Shared(UnsafeCell::new([3, 0]));
static FUNCTION: Shared<Function> = Shared(UnsafeCell::new(Function {
    key: INFO.0.get(),
    ident: 1,
    line_checksum: 2,
    graph_checksum: 3,
    counters: Counters {
        count: 2,
        values: VALUES.0.get().cast(),
    },
}));
static FUNCTIONS: Shared<[*const Function; 2]> = Shared(UnsafeCell::new([FUNCTION.0.get(), ptr::null()]));
static INFO: Shared<Info> = Shared(UnsafeCell::new(Info {
    version: u32::from_be_bytes(*b"B22*"),
    next: 0,
    stamp: 4,
    checksum: 5,
    name: NAME.0.get().cast(),
    merge: [1, 0, 0, 0, 0, 0, 0, 0],
    count: 2,
    functions: FUNCTIONS.0.get().cast(),
}));

/// As of `-fprofile-info-section`.
#[used]
#[unsafe(link_section = ".gcov_info")]
static PLACE: Shared<*const Info> = Shared(UnsafeCell::new(INFO.0.get()));

fn main() -> i32 {
    let mut arguments = start::arguments();
    let name = arguments.next().unwrap_or_default().as_bytes();
    // SAFETY: nobody else looks at them while the guest runs.
    let (info, function, place) = unsafe { (&mut *INFO.0.get(), &mut *FUNCTION.0.get(), &mut *NAME.0.get()) };
    place[..name.len()].copy_from_slice(name);
    match arguments.next() {
        None => {}
        Some("other-build") => info.stamp = 6,
        Some("version") => info.version = u32::from_be_bytes(*b"A95R"),
        Some("no-version") => info.version = 0,
        Some("kind") => info.merge[3] = 1,
        Some("nowhere") => info.functions = ptr::without_provenance(16),
        Some("many") => info.count = u32::MAX,
        Some("large") => function.counters.count = u32::MAX,
        Some("wraps") => {
            function.counters.values = ptr::without_provenance(!7);
        }
        Some("hangs") => {
            println!("hanging");
            cpu::idle_until(|_| false);
        }
        // SAFETY: it faults; that is its purpose.
        Some("faults") => unsafe { ptr::without_provenance_mut::<u32>(16).write_volatile(0) },
        Some(other) => println!("no such way: {other}"),
    }
    7
}
