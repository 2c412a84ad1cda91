// SPDX-License-Identifier: MIT OR Apache-2.0
//! In-guest backends: bodies of the external functions that live in the image and make hypercalls or system calls.
//!
//! A host with a resolver of its own (a process host, an L4Re wrapper) fills the slots before the first instruction. On any
//! other host, a backend of the image does, chosen by how the image was entered. A new one is a copy of `template/`;
//! `README.md` in this folder describes the way.

use linkme::distributed_slice;
use paravirt_abi::start::StartInfo;

use crate::external::{self, Function};
use crate::start::Entry;
use crate::{irq, power};

#[cfg(all(feature = "bare", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod bare;
pub mod entry;
pub mod info;
pub mod lines;
#[cfg(all(
    feature = "linux-syscall",
    any(target_arch = "x86", target_arch = "x86_64")
))]
pub mod linux_syscall;
#[cfg(all(feature = "pok", target_arch = "x86"))]
pub mod pok;
mod refuse;
#[cfg(all(feature = "template", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod template;
pub mod timers;
#[cfg(all(feature = "xen", any(target_arch = "x86", target_arch = "x86_64")))]
pub mod xen;

/// An in-guest backend.
#[derive(Debug)]
pub struct Backend {
    /// Its name, as in `image!`.
    pub name: &'static str,
    /// Whether the image was entered by this backend's host.
    pub detects: fn(&Entry) -> bool,
    /// The bodies of the external functions, sorted by name.
    pub functions: &'static [Function],
    /// Sets the host up after the slots are bound and describes it; the block stays as it is.
    pub start: fn(&Entry) -> &'static StartInfo,
    /// Opens the host's interrupt flag again, see [`paravirt_abi::vcpu::HOST_MASKED`].
    pub open_interrupts: fn(),
}

/// The backends of the image, registered by [`crate::image!`].
#[distributed_slice]
pub static BACKENDS: [&'static Backend];

/// Binds and starts the backend of the host that entered the image.
pub(crate) fn start(entry: &Entry) -> &'static StartInfo {
    let Some(backend) = BACKENDS.iter().find(|backend| (backend.detects)(entry)) else {
        refuse::no_backend(entry);
    };
    let bound = external::bind(backend.functions);
    irq::set_open_host(backend.open_interrupts);
    let info = (backend.start)(entry);
    if let Err(error) = bound {
        power::fatal(format_args!("{}: {error}", backend.name), 1);
    }
    info
}

/// Refers to a symbol that code does not refer to, for a backend with an entry point of its own, which only a note names: whenever a
/// linker takes the object of this line, it takes the one with the symbol too. To be used in the module of the [`Backend`]:
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

/// Registers a backend of this crate in the image's slice. Used by [`crate::image!`].
#[doc(hidden)]
#[macro_export]
macro_rules! register_backend {
    (linux_syscall) => {
        $crate::__backend_in_image! { linux_syscall }
    };
    (bare) => {
        $crate::__backend_in_image! { bare }
    };
    (pok) => {
        // POK for x86 has 32 bits: an image for another architecture can name the backend and gets none.
        #[cfg(target_arch = "x86")]
        $crate::__backend_in_image! { pok }
    };
    (template) => {
        $crate::__backend_in_image! { template }
    };
    (xen) => {
        $crate::__backend_in_image! { xen }
    };
    ($other:ident) => {
        ::core::compile_error!(::core::concat!(
            "no backend `",
            ::core::stringify!($other),
            "`; this version has: bare, linux_syscall, pok, template, xen"
        ));
    };
}

/// The element of the slice, and the note by which tools know the backends of an image, see [`paravirt_abi::note::BACKEND_TYPE`].
#[doc(hidden)]
#[macro_export]
macro_rules! __backend_in_image {
    ($backend:ident) => {
        const _: () = {
            #[$crate::linkme::distributed_slice($crate::backend::BACKENDS)]
            #[linkme(crate = $crate::linkme)]
            static BACKEND: &'static $crate::backend::Backend = &$crate::backend::$backend::BACKEND;
        };
        ::core::arch::global_asm!(
            ".pushsection .note.paravirt, \"a\", %note",
            ".balign 4",
            ".long 9, 3f - 2f, {note_type}", // length of owner with NUL, of descriptor, type
            ".asciz \"paravirt\"",
            ".balign 4",
            ::core::concat!("2: .asciz \"", ::core::stringify!($backend), "\""),
            ".balign 4",
            "3:",
            ".popsection",
            // Of several objects with this symbol a linker takes one, and an assembler takes one label of several.
            ".ifndef __paravirt_backends",
            ".pushsection .text.paravirt_references, \"ax\", %progbits",
            ".weak __paravirt_backends",
            "__paravirt_backends:",
            ".popsection",
            ".endif",
            note_type = const $crate::abi::note::BACKEND_TYPE,
        );
    };
}
