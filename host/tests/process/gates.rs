// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that no compiler makes: what the gates and the resolver do with them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::asm;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use paravirt_abi::signature::{Type, Width};
use pvhost::process::{Arguments, Builder, Call, Exit, Finished, GuestArgument};

use super::calls::{floats, integers};
use super::guests::{Arch, each, guest, output, place, read_back, vm};

/// Direction flag.
const DIRECTION: u64 = 1 << 10;

/// The flags of the code that calls this.
fn flags() -> u64 {
    let flags;
    // SAFETY: reads the flags by way of the stack.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(nomem, preserves_flags)) };
    flags
}

/// The system's allocator. It also looks at the direction flag while a guest is watched: the host allocates between the
/// resolver's gate and its way back, where none of our code runs otherwise.
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
    let builder = vm(guest, console).lazy(lazy);
    (finish(builder, how), read_back(written))
}

fn finish(builder: Builder, how: &str) -> Finished {
    run(provide(builder), how)
}

fn run(builder: Builder, how: &str) -> Finished {
    builder
        .command_line(how)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs")
}

fn provide(builder: Builder) -> Builder {
    builder
        .provide("check_integers", integers)
        .provide("check_floats", floats)
        .provide("check_flags", |_: &mut Call| flags() as u32)
        .provide("check_flags_float", |_: &mut Call, zero: f64| zero + flags() as f64)
        .provide("check_watch", watch)
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
                // The last byte, the last word, and all but the first byte of them (x86-64 passes 16 bytes of the
                // floats there).
                for missing in [1, 4, 15] {
                    let report = fault(&guest, lazy, &format!("{function} {missing}"));
                    let expected = format!("call of `check_{function}` with arguments outside of memory");
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
                report.starts_with("call of the resolver that does not come from a function's thunk"),
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

#[test]
fn an_exception_that_waits_in_the_guest_is_not_met_by_the_host() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        let (console, written) = output();
        let builder = provide(vm(&guest, console))
            .provide("check_flags", |_: &mut Call| long_double())
            .provide("check_flags_float", |_: &mut Call, _: f64| f64::from(long_double()));
        let exit = run(builder, "exception").exit;
        let written = read_back(written);
        assert!(matches!(exit, Exit::Exit(0)), "{arch}: {exit:?}\n{written}");
    }
}

/// The mantissa of a third as C's `long double` has it, of its 64 bits the upper half.
fn long_double() -> u32 {
    let mut third = [0_u16; 5];
    let three = 3_u32;
    // SAFETY: leaves the unit's stack as it was; stores a number of 80 bits.
    unsafe {
        asm!(
            "fld1",
            "fidiv dword ptr [{three}]",
            "fstp tbyte ptr [{third}]",
            three = in(reg) &raw const three,
            third = in(reg) &raw mut third,
            out("st(0)") _,
            options(nostack),
        );
    }
    u32::from(third[3]) << 16 | u32::from(third[2])
}

#[test]
fn a_selector_in_fs_is_the_guests_also_without_fsgsbase() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        for fsgsbase in [true, false] {
            let (console, written) = output();
            let builder = vm(&guest, console);
            let builder = if fsgsbase { builder } else { builder.without_fsgsbase() };
            let exit = finish(builder, "selector").exit;
            let written = read_back(written);
            let what = format!("{arch} fsgsbase {fsgsbase}");
            assert!(matches!(exit, Exit::Exit(0)), "{what}: {exit:?}\n{written}");
        }
    }
}

/// A guest may have set its stack to what the host handles signals on.
#[test]
fn a_guest_on_the_signal_stack_is_told_from_a_handler() {
    let _place = place();
    let guest = guest(Arch::X86_64, "misuse");
    for (place, bytes) in [("bottom", 64), ("lowest page", 4096), ("top", 200_000)] {
        let (console, _) = output();
        let builder = provide(vm(&guest, console));
        let builder = builder.provide("check_flags_float", move |_: &mut Call, _: f64| {
            // SAFETY: asks for what there is.
            let stack = unsafe {
                let mut stack = std::mem::zeroed::<libc::stack_t>();
                libc::sigaltstack(std::ptr::null(), &mut stack);
                stack
            };
            (stack.ss_sp as usize + bytes) as f64
        });
        let exit = run(builder, "stack").exit;
        let Exit::Fault(fault) = exit else {
            panic!("{place}: {exit:?}");
        };
        assert!(fault.to_string().starts_with("illegal instruction"), "{place}: {fault}");
    }
}

/// An argument that takes more than its type says.
struct Greedy {
    own: u32,
    /// Of the rest, what is not zero.
    more: usize,
}

impl GuestArgument for Greedy {
    fn type_on(_: Width) -> Type {
        Type::U32
    }

    fn take(arguments: &mut Arguments<'_>) -> Self {
        let own = u32::take(arguments);
        let rest = (0..100_000).map(|_| u64::take(arguments) | f64::take(arguments).to_bits());
        let more = rest.filter(|&word| word != 0).count();
        Self { own, more }
    }
}

#[test]
fn who_takes_more_than_the_prototype_has_gets_no_more_of_the_guest() {
    let _place = place();
    for (arch, guest) in each("misuse") {
        let (console, written) = output();
        let builder = provide(vm(&guest, console));
        let builder = builder.provide("check_watch", |_: &mut Call, argument: Greedy| {
            // Registers may hold anything.
            match argument.own {
                0 if argument.more <= 8 => -1_i32,
                _ => 0,
            }
        });
        let exit = run(builder, "direction").exit;
        let written = read_back(written);
        assert!(
            written.ends_with(", -1 times in between\n"),
            "{arch}: {exit:?} {written}"
        );
    }
}
