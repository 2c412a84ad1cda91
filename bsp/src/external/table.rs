// SPDX-License-Identifier: MIT OR Apache-2.0
//! The jump table as the guest sees it.

use core::ffi::{CStr, c_char};

use paravirt_abi::signature::{Signature, SignatureError};

/// The external functions of this image, sorted by name.
///
/// It consists of four arrays of the same length in which an index means the same function.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    names: *const *const c_char,
    slots: *mut usize,
    signatures: *const u64,
    unbound: *const usize,
    length: usize,
}

/// The sections as `linkcmds/externals.ld` puts them.
mod image {
    use super::c_char;

    unsafe extern "C" {
        // Another name of `__l4externals_symtab_start`: a linker says of a script without the fragment that this symbol
        // is missing.
        #[link_name = "ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section"]
        pub static NAMES: [*const c_char; 0];
        #[link_name = "__l4externals_jmptbl_start"]
        pub static mut SLOTS: [usize; 0];
        #[link_name = "__l4externals_jmptbl_end"]
        pub static mut SLOTS_END: [usize; 0];
        #[link_name = "__l4externals_sig_start"]
        pub static SIGNATURES: [u64; 0];
        #[link_name = "__l4externals_unbound_start"]
        pub static UNBOUND: [usize; 0];
    }
}

impl Table {
    /// The table of this image.
    #[must_use]
    pub fn of_image() -> Self {
        let slots = &raw mut image::SLOTS;
        let end = &raw mut image::SLOTS_END;
        Self {
            names: (&raw const image::NAMES).cast(),
            slots: slots.cast(),
            signatures: (&raw const image::SIGNATURES).cast(),
            unbound: (&raw const image::UNBOUND).cast(),
            length: (end.addr() - slots.addr()) / size_of::<usize>(),
        }
    }

    /// Number of functions.
    #[must_use]
    pub const fn len(self) -> usize {
        self.length
    }

    /// Returns whether the image has no external function.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// Every function, sorted by name.
    pub fn entries(self) -> impl ExactSizeIterator<Item = Entry> + Clone {
        (0..self.length).map(move |index| self.entry(index))
    }

    /// The function of that name, if this image calls one.
    #[must_use]
    pub fn find(self, name: &str) -> Option<Entry> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(middle);
            match entry.name().to_bytes().cmp(name.as_bytes()) {
                core::cmp::Ordering::Equal => return Some(entry),
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The entry at `index`, which is below the length.
    fn entry(self, index: usize) -> Entry {
        debug_assert!(index < self.length);
        // SAFETY: the linker script puts these arrays side by side with equal lengths (it asserts that), and the index
        // is inside; they are never freed.
        unsafe {
            Entry {
                name: self.names.add(index),
                slot: self.slots.add(index),
                signature: self.signatures.add(index),
                unbound: self.unbound.add(index),
            }
        }
    }
}

/// One external function.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    name: *const *const c_char,
    slot: *mut usize,
    signature: *const u64,
    unbound: *const usize,
}

impl Entry {
    /// The entry that a resolver thunk names.
    ///
    /// # Safety
    /// `name` must be the address of an element of the table's array of names.
    pub(super) unsafe fn name_of<'a>(name: *const *const c_char) -> &'a CStr {
        // SAFETY: the element points to a NUL-terminated constant of the image.
        unsafe { CStr::from_ptr(*name) }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static CStr {
        // SAFETY: `self.name` is inside the array of names.
        unsafe { Self::name_of(self.name) }
    }

    /// Its prototype.
    ///
    /// # Errors
    /// The image holds a malformed word, which the macros of this project do not write.
    pub fn signature(self) -> Result<Signature, SignatureError> {
        Signature::from_word(self.signature_word())
    }

    /// Its prototype word.
    #[must_use]
    pub fn signature_word(self) -> u64 {
        // SAFETY: inside the array of prototype words.
        unsafe { *self.signature }
    }

    /// Address to which a call goes at present: the function, or the resolver thunk if the slot is not bound.
    #[must_use]
    pub fn target(self) -> usize {
        // SAFETY: inside the array of slots; volatile because the host writes slots too.
        unsafe { self.slot.read_volatile() }
    }

    /// Returns whether the slot leads to a function. A slot that is resolved on the first call becomes bound by that
    /// call.
    #[must_use]
    pub fn is_bound(self) -> bool {
        // SAFETY: inside the array of unbound values.
        self.target() != unsafe { *self.unbound }
    }

    /// Makes calls go to `address`.
    ///
    /// # Safety
    /// A function with this entry's prototype and the C calling convention starts at `address`, and it keeps what the
    /// declaration promises.
    pub unsafe fn bind(self, address: usize) {
        // SAFETY: inside the array of slots, which is writable; an aligned word is stored in one piece, so a thunk in
        // an interrupt handler sees the old or the new address.
        unsafe { self.slot.write_volatile(address) }
    }
}
