// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks of this package's library, in an image with every backend that a host here needs. A backend of your own
//! gets an image like this one that names it.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: conformance::main, backends: [linux_syscall, bare, xen, pok] }
