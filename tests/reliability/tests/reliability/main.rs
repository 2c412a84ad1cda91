// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short forms of the long tests in `tests/soak`, and what the kernel puts into a guest that is an ordinary Linux
//! program.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod short;
mod vdso;
