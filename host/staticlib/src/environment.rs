// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the library stands on: memory, messages, and an end for the worst case.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::cell::Cell;
use core::fmt;
use core::ptr;

use paravirt_host_core::text::Line;

use crate::argument;
use crate::layout::Environment;

/// The host's environment with all of its callbacks, once it has given them.
struct Holder(Cell<Option<Environment>>);

// SAFETY: set by the first call of all and only read after; the API is for one thread at a time.
unsafe impl Sync for Holder {}

static HOLDER: Holder = Holder(Cell::new(None));

/// Calls one of them, if there is an environment.
///
/// # Safety
/// As the header says of it.
macro_rules! call {
    ($callback:ident($($argument:expr),*)) => {
        HOLDER.0.get().and_then(|environment| Some((environment.$callback?)(environment.context, $($argument),*)))
    };
}

/// `pvh_initialize`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_initialize(environment: *const Environment) -> i32 {
    // SAFETY: the caller's.
    let Some(environment) = (unsafe { environment.as_ref() }) else {
        return argument::Number::Argument as i32;
    };
    // Another header's structure may be shorter, so nothing of it is used, not even to say so.
    if environment.size != size_of::<Environment>() {
        return argument::Number::Argument as i32;
    }
    let Environment {
        allocate: Some(_),
        release: Some(_),
        message: Some(_),
        abort: Some(_),
        ..
    } = environment
    else {
        return argument::Number::Argument as i32;
    };
    HOLDER.0.set(Some(*environment));
    0
}

/// Returns whether there is an environment.
pub fn is_ready() -> bool {
    HOLDER.0.get().is_some()
}

/// A message for people.
pub fn say(text: &str) {
    // SAFETY: a live text; the rest is the host's.
    unsafe { call!(message(text.as_ptr().cast(), text.len())) };
}

/// Ends the program after a message that needs no memory.
fn end(message: fmt::Arguments<'_>) -> ! {
    say(Line::new(message).text());
    // SAFETY: the host's.
    unsafe { call!(abort()) };
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
        // SAFETY: as the header asks for.
        let Some(memory) = (unsafe { call!(allocate(layout.size(), layout.align())) }) else {
            return ptr::null_mut();
        };
        if memory.is_null() {
            end(format_args!(
                "out of memory: `allocate` of the environment had no {} bytes; give the host more",
                layout.size()
            ));
        }
        memory.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: such memory was allocated above.
        unsafe { call!(release(memory.cast(), layout.size(), layout.align())) };
    }
}
