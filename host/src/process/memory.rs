// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory of this process for a guest. All of the guest lies below 4 GiB, where the host maps nothing of its own.

use std::ffi::c_void;

use paravirt_host_core::memory::{MapError, Pages};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::conditions;
use crate::image::Access;

/// Mappings of this process.
#[derive(Debug)]
pub(super) struct ProcessPages;

// SAFETY: mappings of this process, at addresses where nothing was; only this process could unmap or protect them otherwise.
unsafe impl Pages for ProcessPages {
    fn map(&self, start: u64, size: u64) -> Result<(), MapError> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE | MapFlags::NORESERVE;
        // SAFETY: with FIXED_NOREPLACE no mapping of the host is replaced.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                start as *mut c_void,
                size as usize,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }
        .map_err(|error| match error {
            Errno::EXIST => MapError::Taken,
            other => conditions::refused_map(start, other),
        })?;
        // Kernels before 4.17 take the address for a hint.
        if mapped as u64 == start {
            return Ok(());
        }
        self.unmap(mapped as u64, size);
        Err(MapError::Taken)
    }

    fn prepare(&self, start: u64, size: u64) {
        // SAFETY: the pages were mapped for the guest, to be written. Kernels before 5.14 bring them in one by one.
        let _ = unsafe {
            rustix::mm::madvise(
                start as *mut c_void,
                size as usize,
                Advice::LinuxPopulateWrite,
            )
        };
    }

    fn protect(&self, start: u64, size: u64, access: Access) -> Result<(), MapError> {
        let mut rights = MprotectFlags::empty();
        rights.set(MprotectFlags::READ, access.read);
        rights.set(MprotectFlags::WRITE, access.write);
        rights.set(MprotectFlags::EXEC, access.execute);
        // SAFETY: the pages were mapped for the guest.
        unsafe { rustix::mm::mprotect(start as *mut c_void, size as usize, rights) }
            .map_err(|error| conditions::refused_rights(access, error))
    }

    fn unmap(&self, start: u64, size: u64) {
        // SAFETY: the pages were mapped for the guest, which has ended.
        let _ = unsafe { rustix::mm::munmap(start as *mut c_void, size as usize) };
    }
}
