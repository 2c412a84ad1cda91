// SPDX-License-Identifier: MIT OR Apache-2.0
//! What rustc's `-Cinstrument-coverage` asks of a program beside its counters, which a host reads from the guest's
//! memory.

/// rustc has the linker look for this symbol, which would bring the run-time library of LLVM's profiles: that writes
/// files, by a C library. In a build without counters nobody refers to it, and it is left out.
#[unsafe(no_mangle)]
static __llvm_profile_runtime: u8 = 0;
