// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the library stands on: memory, messages, and an end for the worst case.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::cell::Cell;
use core::ffi::c_void;
use core::fmt;
use core::ptr;

use paravirt_host_core::text::Line;

use crate::error;
use crate::layout::Environment;

/// The callbacks, all of them there.
#[derive(Clone, Copy)]
struct Callbacks {
    context: *mut c_void,
    allocate: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    release: unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize),
    message: unsafe extern "C" fn(*mut c_void, *const core::ffi::c_char, usize),
    abort: unsafe extern "C" fn(*mut c_void),
}

/// The host's callbacks, once it has given them.
struct Holder(Cell<Option<Callbacks>>);

// SAFETY: set by the first call of all and only read after; the API is for one thread at a time.
unsafe impl Sync for Holder {}

static HOLDER: Holder = Holder(Cell::new(None));

/// `pvh_initialize`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_initialize(environment: *const Environment) -> i32 {
    // SAFETY: the caller's.
    let Some(environment) = (unsafe { environment.as_ref() }) else {
        return error::Number::Argument as i32;
    };
    // Another header's structure may be shorter, so nothing of it is used, not even to say so.
    if environment.size != size_of::<Environment>() {
        return error::Number::Argument as i32;
    }
    let (Some(allocate), Some(release), Some(message), Some(abort)) = (
        environment.allocate,
        environment.release,
        environment.message,
        environment.abort,
    ) else {
        return error::Number::Argument as i32;
    };
    HOLDER.0.set(Some(Callbacks {
        context: environment.context,
        allocate,
        release,
        message,
        abort,
    }));
    0
}

/// Returns whether there is an environment.
pub fn is_ready() -> bool {
    HOLDER.0.get().is_some()
}

/// A message for people.
pub fn say(text: &str) {
    if let Some(callbacks) = HOLDER.0.get() {
        // SAFETY: a live text; the rest is the host's.
        unsafe { (callbacks.message)(callbacks.context, text.as_ptr().cast(), text.len()) };
    }
}

/// Ends the program after a message that needs no memory.
fn end(message: fmt::Arguments<'_>) -> ! {
    say(Line::new(message).text());
    if let Some(callbacks) = HOLDER.0.get() {
        // SAFETY: the host's.
        unsafe { (callbacks.abort)(callbacks.context) };
    }
    loop {
        // SAFETY: an undefined instruction, in case the host's function returned.
        unsafe { asm!("ud2") };
    }
}

paravirt_abi::panic_handler! {
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        end(format_args!("internal error of the library: {info}"))
    }
}

/// The host's memory.
struct Memory;

#[global_allocator]
static MEMORY: Memory = Memory;

// SAFETY: the host's functions give memory of that size and alignment, which is its own, until it is released.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(callbacks) = HOLDER.0.get() else {
            return ptr::null_mut();
        };
        // SAFETY: as the header asks for.
        let memory = unsafe { (callbacks.allocate)(callbacks.context, layout.size(), layout.align()) };
        if memory.is_null() {
            end(format_args!(
                "out of memory: `allocate` of the environment had no {} bytes; give the host more",
                layout.size()
            ));
        }
        memory.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(callbacks) = HOLDER.0.get() {
            let (memory, size, alignment) = (memory.cast(), layout.size(), layout.align());
            // SAFETY: such memory was allocated above.
            unsafe { (callbacks.release)(callbacks.context, memory, size, alignment) };
        }
    }
}
