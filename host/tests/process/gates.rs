// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that no compiler makes: what the gates and the resolver do with them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::asm;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use pvhost::process::{Call, Exit, Finished};

use super::calls::{floats, integers};
use super::guests::{each, output, place, read_back, vm};

/// Direction flag.
const DIRECTION: u64 = 1 << 10;

/// The flags of the code that calls this.
fn flags() -> u64 {
    let flags;
    // SAFETY: reads the flags by way of the stack.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(nomem, preserves_flags)) };
    flags
}

/// The system's allocator. It also looks at the direction flag while a guest is watched: the host allocates between the resolver's
/// gate and its way back, where none of our code runs otherwise.
struct Watch;

static WATCHED: AtomicBool = AtomicBool::new(false);
/// How often the flag was set; from -1 on, so that nothing seen at all is told from nothing wrong.
static SET: AtomicI32 = AtomicI32::new(-1);

impl Watch {
    fn look() {
        if WATCHED.load(Ordering::Relaxed) {
            let _ = SET.compare_exchange(-1, 0, Ordering::Relaxed, Ordering::Relaxed);
            let is_set = flags() & DIRECTION != 0;
            SET.fetch_add(i32::from(is_set), Ordering::Relaxed);
        }
    }
}

// SAFETY: the system's.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::look();
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::look();
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watch = Watch;

/// Not with stepping: the guest need not ask for it.
fn watch(_: &mut Call, on: u32) -> i32 {
    if on != 0 {
        SET.store(-1, Ordering::Relaxed);
        WATCHED.store(true, Ordering::Relaxed);
        return 0;
    }
    WATCHED.store(false, Ordering::Relaxed);
    SET.load(Ordering::Relaxed)
}

/// Runs the guest `misuse`; how it ended and what it printed.
fn misuse(guest: &std::path::Path, lazy: bool, how: &str) -> (Finished, String) {
    let (console, written) = output();
    let finished = vm(guest, console)
        .lazy(lazy)
        .command_line(how)
        .provide("check_integers", integers)
        .provide("check_floats", floats)
        .provide("check_flags", |_: &mut Call| flags() as u32)
        .provide("check_flags_float", |_: &mut Call, zero: f64| {
            zero + flags() as f64
        })
        .provide("check_watch", watch)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    (finished, read_back(written))
}

/// The report of the fault that such a run must end in.
fn fault(guest: &std::path::Path, lazy: bool, how: &str) -> String {
    let (finished, written) = misuse(guest, lazy, how);
    match finished.exit {
        Exit::Fault(fault) => fault.to_string(),
        other => panic!("{how}, lazy {lazy}: {other:?}\n{written}"),
    }
}

#[test]
fn arguments_may_end_with_the_guests_memory_but_not_behind_it() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        for lazy in [false, true] {
            for function in ["integers", "floats"] {
                let (finished, written) = misuse(&guest, lazy, &format!("{function} 0"));
                assert!(
                    matches!(finished.exit, Exit::Exit(0)),
                    "{arch} {function} lazy {lazy}: {:?}\n{written}",
                    finished.exit
                );
                // The last byte, the last word, and all but the first byte of them (x86-64 passes 16 bytes of the floats there).
                for missing in [1, 4, 15] {
                    let report = fault(&guest, lazy, &format!("{function} {missing}"));
                    let expected =
                        format!("call of `check_{function}` with arguments outside of memory");
                    assert!(report.starts_with(&expected), "{arch}: {report}");
                }
            }
        }
    }
}

#[test]
fn the_resolver_takes_nothing_but_a_slot() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        for slot in ["before", "inside", "behind", "null", "last", "no-stack"] {
            let report = fault(&guest, true, &format!("resolver {slot}"));
            assert!(
                report
                    .starts_with("call of the resolver that does not come from a function's thunk"),
                "{arch} {slot}: {report}"
            );
        }
    }
}

#[test]
fn an_index_that_no_function_has_is_a_fault_of_the_guest() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        let report = fault(&guest, false, "stub");
        assert!(
            report.starts_with("jump into the middle of the host's gates"),
            "{arch}: {report}"
        );
    }
}

#[test]
fn the_direction_flag_is_clear_in_the_host_and_behind_each_call() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        // The host allocates nothing in an ordinary call, so of the gates only the resolver's is seen from inside.
        let (finished, written) = misuse(&guest, true, "direction");
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{arch}: {:?}\n{written}",
            finished.exit
        );
        let (_, written) = misuse(&guest, false, "direction");
        assert_eq!(
            written, "0 times in or after a host function, -1 times in between\n",
            "{arch}"
        );
    }
}

#[test]
fn the_direction_flag_is_clear_when_the_guest_has_been_left() {
    let _place = place();
    for (arch, guest) in each("fault") {
        let (console, _) = output();
        let vm = vm(&guest, console).command_line("backwards").build();
        let finished = vm.expect("a guest for this host").run();
        let flags = flags();
        let exit = finished.expect("the guest runs").exit;
        assert!(matches!(exit, Exit::Fault(_)), "{arch}: {exit:?}");
        assert_eq!(flags & DIRECTION, 0, "{arch}");
    }
}
