// SPDX-License-Identifier: MIT OR Apache-2.0
//! In-guest backends: bodies of the external functions that live in the image and make hypercalls or system calls.
//!
//! A host with a resolver of its own (a process host, an L4Re wrapper) fills the slots before the first instruction. On
//! any other host, a backend of the image does, chosen by how the image was entered.
//!
//! This crate has some. One for another hypervisor is a crate of its own, which an image names by the path of its
//! [`Backend`]:
//!
//! ```no_run
//! mod my_hypervisor {
//!     use paravirt_bsp::abi::start::StartInfo;
//!     use paravirt_bsp::backend::{Backend, Contract, info};
//!     use paravirt_bsp::interface::{pv_console_write, pv_shutdown};
//!     use paravirt_bsp::start::{Entry, EntryPoint};
//!
//!     pub static BACKEND: Backend = Backend {
//!         name: "my_hypervisor",
//!         detects,
//!         functions: FUNCTIONS.as_slice(),
//!         start,
//!         open_interrupts: || {},
//!         // SAFETY: the block is that of `info`, which was told nothing wrong.
//!         contract: unsafe { Contract::kept() },
//!     };
//!
//!     paravirt_bsp::in_guest_functions! {
//!         static FUNCTIONS = {
//!             pv_console_write = write,
//!             pv_shutdown = shutdown,
//!         };
//!     }
//!
//!     fn detects(entry: &Entry) -> bool {
//!         entry.point == EntryPoint::Elf && entry.magic == 0x1234
//!     }
//!
//!     fn start(_entry: &Entry) -> &'static StartInfo {
//!         info::finish(0)
//!     }
//!
//!     extern "C" fn write(_buffer: *const u8, length: usize) -> isize {
//!         length as isize // a hypercall
//!     }
//!
//!     extern "C" fn shutdown(_reason: u32, _code: i32) -> ! {
//!         loop {} // another
//!     }
//! }
//!
//! paravirt_bsp::image! { main: run, backends: [linux_syscall_or_others::BACKEND, my_hypervisor::BACKEND] }
//! # use my_hypervisor as linux_syscall_or_others;
//! # fn run() {}
//! # fn main() {}
//! ```
//!
//! | module | what it does for a backend |
//! |---|---|
//! | [`lines`] | claims, masks and latches lines |
//! | [`timers`] | all timers of the guest on one of the host's |
//! | [`info`] | the start info block |
//! | [`entry`] | from an interrupt of the host to the guest's handlers |
//! | `ring0` (feature `ring0`) | what a guest in ring 0 of an x86 processor needs |
//! | `el1` (feature `el1`) | what a guest at EL1 of an AArch64 processor needs |
//!
//! Begin with a copy of `template/`; `README.md` in this folder describes the way.

use linkme::distributed_slice;
use paravirt_abi::note;
use paravirt_abi::start::StartInfo;

use crate::external::{self, Function};
use crate::start::Entry;
use crate::{irq, power};

#[cfg(all(
    feature = "bare",
    any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod bare;
pub mod entry;
pub mod info;
pub mod lines;
#[cfg(all(
    feature = "linux-syscall",
    any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod linux_syscall;
#[cfg(all(feature = "pok", target_arch = "x86"))]
pub mod pok;
mod refuse;
#[cfg(all(feature = "template", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod template;
pub mod timers;
#[cfg(all(
    feature = "xen",
    any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod xen;

/// An in-guest backend.
///
/// The functions are for the layer to call, which is what makes those unsafe that an image's code could do harm with.
#[derive(Debug)]
pub struct Backend {
    /// Its name, an identifier of C with 31 letters at most. It is in the image's notes, and tools show it.
    pub name: &'static str,
    /// Whether the image was entered by this backend's host. Called at the image's start, with what the host left; it
    /// only looks.
    pub detects: unsafe fn(&Entry) -> bool,
    /// The bodies of the external functions, sorted by name, see [`in_guest_functions!`](crate::in_guest_functions).
    pub functions: &'static [Function],
    /// Sets the host up after the slots are bound and describes it; the block stays as it is. Called once, at the
    /// image's start, after `detects` was true.
    pub start: unsafe fn(&Entry) -> &'static StartInfo,
    /// Opens the host's interrupt flag again, see [`paravirt_abi::vcpu::HOST_MASKED`].
    pub open_interrupts: fn(),
    /// That all of this may be believed.
    pub contract: Contract,
}

/// What whoever makes a [`Backend`] vouches for.
#[derive(Debug)]
pub struct Contract(());

impl Contract {
    /// The promise.
    ///
    /// # Safety
    /// What the block that the backend's `start` returns says is true, and its addresses are those of memory that stays
    /// as it is; [`info::finish`] makes such a one of what it was told. The functions do what [`crate::interface`] says
    /// of them.
    #[must_use]
    pub const unsafe fn kept() -> Self {
        Self(())
    }
}

/// The backends of the image, registered by [`crate::image!`].
#[distributed_slice]
pub static BACKENDS: [&'static Backend];

/// Binds and starts the backend of the host that entered the image.
pub(crate) fn start(entry: &Entry) -> &'static StartInfo {
    // SAFETY: at the image's start, with what the host left.
    let detects = |backend: &&&Backend| unsafe { (backend.detects)(entry) };
    let Some(backend) = BACKENDS.iter().find(detects) else {
        refuse::no_backend(entry);
    };
    let bound = external::bind(backend.functions);
    irq::set_open_host(backend.open_interrupts);
    // SAFETY: at the image's start, once.
    let info = unsafe { (backend.start)(entry) };
    if let Err(error) = bound {
        power::fatal(format_args!("{}: {error}", backend.name), 1);
    }
    info
}

/// The note with a backend's name in `N` words.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    owner_length: u32,
    length: u32,
    kind: u32,
    owner: [u8; 12],
    name: [[u8; 4]; N],
}

impl Note<0> {
    /// The words that a backend's name takes, with at least one NUL behind it.
    #[must_use]
    pub const fn words(backend: &Backend) -> usize {
        backend.name.len() / 4 + 1
    }
}

impl<const N: usize> Note<N> {
    /// The note of a backend.
    ///
    /// # Panics
    /// If the backend's name is none; in a constant that is a compile error.
    #[must_use]
    pub const fn new(backend: &Backend) -> Self {
        assert!(
            external::is_c_identifier(backend.name) && backend.name.len() < 32,
            "the name of a backend is made of at most 31 ASCII letters, digits and underscores"
        );
        let mut name = [[0; 4]; N];
        let mut index = 0;
        while index < backend.name.len() {
            name[index / 4][index % 4] = backend.name.as_bytes()[index];
            index += 1;
        }
        Self {
            owner_length: note::OWNER.len() as u32 + 1,
            length: 4 * N as u32,
            kind: note::BACKEND_TYPE,
            owner: *b"paravirt\0\0\0\0",
            name,
        }
    }
}

/// Refers to a symbol that code does not refer to, for a backend with an entry point of its own, which only a note
/// names: whenever a linker takes the object of this line, it takes the one with the symbol too. To be used in the
/// module of the [`Backend`]:
///
/// ```no_run
/// core::arch::global_asm!(
///     ".pushsection .note.my_hypervisor, \"a\", %note",
///     // ..
///     ".popsection",
///     ".globl my_hypervisor_start",
///     "my_hypervisor_start:",
///     // ..
/// );
/// paravirt_bsp::refer_to!("my_hypervisor_start");
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! refer_to {
    ($symbol:literal) => {
        ::core::arch::global_asm!(
            ".pushsection .text.paravirt_references, \"ax\", %progbits",
            // A relocation that changes nothing.
            ::core::concat!(".reloc ., BFD_RELOC_NONE, ", $symbol),
            ".popsection",
        );
    };
}

/// Registers backends in the image's slice: each one of this crate by its name, any other by the path of its
/// [`Backend`]. Used by [`crate::image!`].
#[doc(hidden)]
#[macro_export]
macro_rules! register_backends {
    () => {};
    (linux_syscall $(, $($rest:tt)*)?) => {
        $crate::__backend_in_image! { $crate::backend::linux_syscall::BACKEND }
        $($crate::register_backends! { $($rest)* })?
    };
    (bare $(, $($rest:tt)*)?) => {
        $crate::__backend_in_image! { $crate::backend::bare::BACKEND }
        $($crate::register_backends! { $($rest)* })?
    };
    (pok $(, $($rest:tt)*)?) => {
        // POK for x86 has 32 bits: an image for another architecture can name this and other backends, and gets none.
        #[cfg(target_arch = "x86")]
        $crate::__backend_in_image! { $crate::backend::pok::BACKEND }
        $($crate::register_backends! { $($rest)* })?
    };
    (template $(, $($rest:tt)*)?) => {
        $crate::__backend_in_image! { $crate::backend::template::BACKEND }
        $($crate::register_backends! { $($rest)* })?
    };
    (xen $(, $($rest:tt)*)?) => {
        $crate::__backend_in_image! { $crate::backend::xen::BACKEND }
        $($crate::register_backends! { $($rest)* })?
    };
    ($other:path $(, $($rest:tt)*)?) => {
        $crate::__backend_in_image! { $other }
        $($crate::register_backends! { $($rest)* })?
    };
}

/// The element of the slice, and the note by which tools know the backends of an image, see
/// [`paravirt_abi::note::BACKEND_TYPE`].
#[doc(hidden)]
#[macro_export]
macro_rules! __backend_in_image {
    ($backend:path) => {
        const _: () = {
            #[$crate::linkme::distributed_slice($crate::backend::BACKENDS)]
            #[linkme(crate = $crate::linkme)]
            static BACKEND: &'static $crate::backend::Backend = &$backend;

            #[used]
            #[unsafe(link_section = ".note.paravirt")]
            static NOTE: $crate::backend::Note<{ $crate::backend::Note::words(&$backend) }> =
                $crate::backend::Note::new(&$backend);
        };
        ::core::arch::global_asm!(
            // Of several objects with this symbol a linker takes one, and an assembler takes one label of several.
            ".ifndef __paravirt_backends",
            ".pushsection .text.paravirt_references, \"ax\", %progbits",
            ".weak __paravirt_backends",
            "__paravirt_backends:",
            ".popsection",
            ".endif",
        );
    };
}
