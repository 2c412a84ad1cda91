// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's memory: mapped where the guest expects it, and checked before the host touches it.
//!
//! Guest addresses are host addresses. All of the guest lies below 4 GiB, where the host maps nothing of its own.

use std::ffi::c_void;
use std::io;

use paravirt_abi::error::Error;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use crate::image::Access;

/// Page size of x86.
pub(super) const PAGE: u64 = 4096;

/// A mapping with one set of rights.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    access: Access,
}

impl Mapping {
    /// Maps zeroed pages for `start..end`, readable and writable by the host; the guest's rights come with
    /// [`Mapping::seal`].
    fn new(start: u64, end: u64, access: Access) -> io::Result<Self> {
        let (start, end) = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE | MapFlags::NORESERVE;
        let length = (end - start) as usize;
        // SAFETY: with FIXED_NOREPLACE no mapping of the host is replaced.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                start as *mut c_void,
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }?;
        let mapping = Self {
            start: mapped as u64,
            end: mapped as u64 + length as u64,
            access,
        };
        // Kernels before 4.17 take the address for a hint.
        if mapping.start == start {
            Ok(mapping)
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    fn seal(&self) -> io::Result<()> {
        let mut rights = MprotectFlags::empty();
        rights.set(MprotectFlags::READ, self.access.read);
        rights.set(MprotectFlags::WRITE, self.access.write);
        rights.set(MprotectFlags::EXEC, self.access.execute);
        if rights == MprotectFlags::READ | MprotectFlags::WRITE {
            return Ok(());
        }
        let length = (self.end - self.start) as usize;
        // SAFETY: the pages are this mapping's.
        unsafe { rustix::mm::mprotect(self.start as *mut c_void, length, rights) }?;
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let length = (self.end - self.start) as usize;
        // SAFETY: the pages are this mapping's, and no pointer into them is kept.
        let _ = unsafe { rustix::mm::munmap(self.start as *mut c_void, length) };
    }
}

/// All mappings of a guest.
#[derive(Debug, Default)]
pub struct GuestMemory {
    mappings: Vec<Mapping>,
}

impl GuestMemory {
    /// Adds zeroed memory.
    pub(super) fn map(&mut self, start: u64, end: u64, access: Access) -> io::Result<()> {
        let mapping = Mapping::new(start, end, access)?;
        let place = self.mappings.partition_point(|other| other.start < start);
        self.mappings.insert(place, mapping);
        Ok(())
    }

    /// Gives the guest its rights and takes the host's.
    pub(super) fn seal(&self) -> io::Result<()> {
        self.mappings.iter().try_for_each(Mapping::seal)
    }

    /// Writes where the guest may not, before [`GuestMemory::seal`].
    ///
    /// # Panics
    /// Outside the mappings: the image's addresses have been checked.
    pub(super) fn initialize(&mut self, address: u64, bytes: &[u8]) {
        let size = bytes.len() as u64;
        assert!(self.allows(address, size, |_| true), "inside the mappings");
        // SAFETY: mapped and not yet sealed, and nothing else refers to it.
        unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Whether the guest may read `size` bytes from `address` on.
    #[must_use]
    pub fn readable(&self, address: u64, size: u64) -> bool {
        self.allows(address, size, |access| access.read)
    }

    /// Whether the guest may write `size` bytes from `address` on.
    #[must_use]
    pub fn writable(&self, address: u64, size: u64) -> bool {
        self.allows(address, size, |access| access.write)
    }

    /// Whether the guest may execute code at `address`.
    #[must_use]
    pub fn executable(&self, address: u64) -> bool {
        self.allows(address, 1, |access| access.execute)
    }

    /// The rights of the guest at `address`, `None` where nothing is mapped.
    #[must_use]
    pub fn access_at(&self, address: u64) -> Option<Access> {
        self.mappings
            .iter()
            .find(|mapping| (mapping.start..mapping.end).contains(&address))
            .map(|mapping| mapping.access)
    }

    /// Copies `size` bytes from the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if the guest could not read them itself.
    pub fn read(&self, address: u64, size: u64) -> Result<Vec<u8>, Error> {
        if !self.readable(address, size) {
            return Err(Error::BadAddress);
        }
        let mut bytes = vec![0; size as usize];
        // SAFETY: readable as checked; the guest does not run meanwhile.
        unsafe { (address as *const u8).copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(bytes)
    }

    /// Copies `bytes` to the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if the guest could not write them itself.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        if !self.writable(address, bytes.len() as u64) {
            return Err(Error::BadAddress);
        }
        // SAFETY: writable as checked; the guest does not run meanwhile.
        unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Whether `size` bytes from `address` on are mapped without a gap, with rights that `right` accepts.
    fn allows(&self, address: u64, size: u64, right: impl Fn(Access) -> bool) -> bool {
        let Some(end) = address.checked_add(size) else {
            return false;
        };
        let mut reached = address;
        for mapping in &self.mappings {
            if reached >= mapping.start && reached < mapping.end && right(mapping.access) {
                reached = mapping.end;
            }
            if reached >= end {
                return true;
            }
        }
        false
    }
}
