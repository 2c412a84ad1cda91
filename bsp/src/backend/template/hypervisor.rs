// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the hypervisor does for a guest: the only file to write anew. Replace each body by the hypercall or system call
//! that does the same.

use core::sync::atomic::{AtomicU64, Ordering};

use paravirt_bsp::ring0::{cpuid, processor, pvh_start_info, qemu, serial, tsc};

/// Cycles of the time-stamp counter per second.
static RATE: AtomicU64 = AtomicU64::new(1);

/// Returns whether this is the hypervisor, where others may have entered the image in the same way: by a CPUID
/// signature, a magic number. It only looks.
pub(super) fn is_here() -> bool {
    cpuid::is_pc()
}

/// Makes the functions below usable. `Err` says what is missing.
pub(super) fn start() -> Result<(), &'static str> {
    serial::start();
    let rate = tsc::measure().ok_or("no timer to measure the time-stamp counter with")?;
    RATE.store(rate, Ordering::Relaxed);
    Ok(())
}

/// Takes up to so many bytes as are there for the console; how many.
pub(super) fn write(bytes: &[u8]) -> usize {
    serial::write(bytes)
}

/// The next byte of input, if there is one.
pub(super) fn read() -> Option<u8> {
    serial::read()
}

/// Returns whether [`read`] would find a byte.
pub(super) fn has_input() -> bool {
    serial::has_input()
}

/// Time in ns since some moment; never steps back.
pub(super) fn clock() -> u64 {
    const NS_PER_SECOND: u64 = 1_000_000_000;
    let (cycles, rate) = (processor::tsc(), RATE.load(Ordering::Relaxed));
    // In two steps, because the product would overflow.
    cycles / rate * NS_PER_SECOND + cycles % rate * NS_PER_SECOND / rate
}

/// Gives the processor away for a short time, at most until `deadline`, in ns of [`clock`].
pub(super) fn yield_until(_deadline: u64) {
    core::hint::spin_loop();
}

/// The text after the image's name where it was started.
///
/// # Safety
/// For the start, after which the text may be overwritten.
pub(super) unsafe fn command_line() -> &'static [u8] {
    // SAFETY: handed on.
    unsafe { pvh_start_info::command_line() }
}

/// Calls `add` with start and end of each range of memory that belongs to the guest, in ascending order.
///
/// # Safety
/// As above.
pub(super) unsafe fn for_each_memory(add: fn(u64, u64)) {
    // SAFETY: handed on.
    unsafe { pvh_start_info::for_each_memory(add) };
}

/// Ends the guest; `reason` is a word for whoever watches.
pub(super) fn stop(reason: &str, code: i32) -> ! {
    serial::drain();
    qemu::exit(reason, code);
    processor::halt()
}
