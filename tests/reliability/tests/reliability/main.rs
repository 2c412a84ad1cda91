// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short forms of the long tests in `tests/soak`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod short;
