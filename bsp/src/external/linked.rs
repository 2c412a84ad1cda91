// SPDX-License-Identifier: MIT OR Apache-2.0
//! Functions that a library in the image defines, on AArch64, where callers in Rust go through the slot and not through
//! the thunk that the library's function replaces.

use core::sync::atomic::{AtomicPtr, Ordering};

/// What the linker has made of a function's name, as the entry's assembly has it.
#[repr(C)]
struct Linked {
    slot: &'static AtomicPtr<()>,
    /// The thunk, or the library's function.
    function: *mut (),
    thunk: *mut (),
}

unsafe extern "C" {
    /// As `linkcmds/externals.ld` puts them, one for each function.
    #[link_name = "__l4externals_linked_start"]
    static LINKED: [Linked; 0];
    #[link_name = "__l4externals_linked_end"]
    static LINKED_END: [Linked; 0];
}

/// Makes the slots of functions that the image itself defines lead there, whoever has filled them.
pub fn bind_linked() {
    let mut next = (&raw const LINKED).cast::<Linked>();
    while next < (&raw const LINKED_END).cast() {
        // SAFETY: an element between the two symbols; nobody writes it.
        let linked = unsafe { &*next };
        if linked.function != linked.thunk {
            linked.slot.store(linked.function, Ordering::Relaxed);
        }
        next = next.wrapping_add(1);
    }
}
