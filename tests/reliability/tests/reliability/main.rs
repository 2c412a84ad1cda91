// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short forms of the long tests in `tests/soak`, and a model of the interrupt protocol.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod model;
mod short;
