// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C API of the Linux process host: what `ffi/include/paravirt/vm.h` declares and documents.
//!
//! Everything of substance is in `pvhost`; here are pointers checked, errors turned into numbers and messages, and
//! panics kept from C.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod argument;
mod call;
mod functions;
mod options;
mod vm;
