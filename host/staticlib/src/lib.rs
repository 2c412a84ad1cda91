// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C API for authors of hosts: what `ffi/include/paravirt/host.h` declares and documents.
//!
//! Everything of substance is in `paravirt-host-core`; here are pointers checked and errors turned into numbers and
//! messages. The host links this as the static library `libparavirt_host.a`.
#![no_std]

extern crate alloc;

// Unwind tables of a `core` that comes with a compiler for a whole system name the function that reads them. Nobody
// unwinds here, and a C program has no such function; one that has it keeps its own.
core::arch::global_asm!(".weak rust_eh_personality", ".set rust_eh_personality, 0");

mod argument;
mod environment;
mod functions;
mod guest;
mod image;
mod interface;
mod layout;
mod platform;
