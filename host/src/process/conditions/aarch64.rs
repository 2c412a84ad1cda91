// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked on AArch64: the size of pages, which kernels choose.

use paravirt_abi::signature::Width;
use paravirt_host_core::memory::PAGE;

use super::{Condition, Feature};

/// Whether the host has that: of what not every processor's host has it has nothing yet.
pub(super) const fn check_feature(feature: Feature) -> Result<(), Condition> {
    Err(Condition::Feature(feature))
}

/// Asks what can be asked before the guest is laid out.
pub(in crate::process) fn check(_: Width) -> Result<(), Condition> {
    // SAFETY: no pointers.
    match unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64 {
        PAGE => Ok(()),
        size => Err(Condition::PageSize(size)),
    }
}
