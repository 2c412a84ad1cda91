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

/// A word of assembly that holds an address.
#[cfg(target_pointer_width = "64")]
macro_rules! pointer {
    ($symbol:literal) => {
        concat!(".8byte ", $symbol)
    };
}
#[cfg(target_pointer_width = "32")]
macro_rules! pointer {
    ($symbol:literal) => {
        concat!(".4byte ", $symbol)
    };
}

// The sections as `linkcmds/externals.ld` puts them. All symbols but one are weak, and no other code refers to that: of
// a script without the fragment a linker says that this one symbol is missing. It is another name of
// `__l4externals_symtab_start`.
core::arch::global_asm!(
    ".pushsection .data.rel.ro.paravirt_table, \"aw\", %progbits",
    ".balign 8",
    ".globl __paravirt_table",
    ".hidden __paravirt_table",
    ".weak __l4externals_jmptbl_start, __l4externals_jmptbl_end",
    ".weak __l4externals_sig_start, __l4externals_unbound_start",
    "__paravirt_table:",
    pointer!("ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section"),
    pointer!("__l4externals_jmptbl_start"),
    pointer!("__l4externals_jmptbl_end"),
    pointer!("__l4externals_sig_start"),
    pointer!("__l4externals_unbound_start"),
    ".popsection",
);

/// Where the sections are.
#[repr(C)]
struct Sections {
    names: *const *const c_char,
    slots: *mut usize,
    slots_end: *mut usize,
    signatures: *const u64,
    unbound: *const usize,
}

// SAFETY: addresses that never change; what they lead to is `Table`'s business.
unsafe impl Sync for Sections {}

unsafe extern "C" {
    /// The words above, which are five pointers.
    #[link_name = "__paravirt_table"]
    safe static SECTIONS: Sections;
}

impl Table {
    /// The table of this image.
    #[must_use]
    pub fn of_image() -> Self {
        let Sections {
            names,
            slots,
            slots_end,
            signatures,
            unbound,
        } = SECTIONS;
        Self {
            names,
            slots,
            signatures,
            unbound,
            length: (slots_end.addr() - slots.addr()) / size_of::<usize>(),
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
