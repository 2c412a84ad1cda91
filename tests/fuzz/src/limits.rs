// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one input may cost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// Seconds of processor time. Other programs on the machine do not count.
const SECONDS: f64 = 1.0;
/// Bytes at once, of what is allocated in Rust: libFuzzer's own, which grow with what it has found, do not count.
const BYTES: usize = 200 << 20;

/// Does the work.
///
/// # Panics
/// If it costs more than it may.
pub fn keep(work: impl FnOnce()) {
    let (bytes, seconds) = (NOW.load(Ordering::Relaxed), processor_seconds());
    PEAK.store(bytes, Ordering::Relaxed);
    work();
    let seconds = processor_seconds() - seconds;
    let bytes = PEAK.load(Ordering::Relaxed) - bytes;
    assert!(seconds <= SECONDS, "{seconds} s are more than {SECONDS}");
    assert!(bytes <= BYTES, "{bytes} bytes are more than {BYTES}");
}

/// Of this thread.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The bytes that are allocated, and the most there have been.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, which counts.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

impl Counting {
    fn grow(&self, bytes: usize) {
        let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }

    fn shrink(&self, bytes: usize) {
        NOW.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is the system allocator's; counting touches no memory but the counters.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.grow(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.grow(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.grow(size);
        self.shrink(layout.size());
        // SAFETY: the caller's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.shrink(layout.size());
        // SAFETY: the caller's.
        unsafe { System.dealloc(block, layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::panic::catch_unwind;

    /// What is said of work that costs too much.
    fn refusal(work: fn()) -> Option<String> {
        let payload = catch_unwind(|| keep(work)).err()?;
        payload.downcast_ref::<String>().cloned()
    }

    /// One test: what others allocate meanwhile would count.
    #[test]
    fn what_costs_too_much_is_noticed() {
        assert_eq!(refusal(|| drop(black_box(vec![1_u8; 1 << 20]))), None);
        let memory = refusal(|| drop(black_box(vec![0_u8; BYTES + 1]))).expect("too much");
        assert!(memory.ends_with(&format!(" bytes are more than {BYTES}")), "{memory}");
        let time = refusal(|| {
            let start = processor_seconds();
            while processor_seconds() - start <= SECONDS {}
        })
        .expect("too long");
        assert!(time.ends_with(&format!(" s are more than {SECONDS}")), "{time}");
    }
}
