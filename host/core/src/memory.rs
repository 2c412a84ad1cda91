// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's memory: mapped where the guest expects it, and checked before the host touches it.
//!
//! Guest addresses are host addresses.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use paravirt_abi::error::Error;

use crate::image::Access;

/// Page size of x86 in bytes.
pub const PAGE: u64 = 4096;

/// What maps memory below: a process, a microkernel. Addresses and sizes are multiples of [`PAGE`].
///
/// # Safety
/// What [`Pages::map`] has mapped stays mapped, and is used for nothing else, until [`Pages::unmap`]. The host itself
/// can read it as long as the guest may, and write it before the first [`Pages::protect`] and as long as the guest may.
pub unsafe trait Pages: Debug {
    /// Maps `size` bytes of zeroed memory at `start`, readable and writable by the host.
    ///
    /// # Errors
    /// If something is there already, or the memory cannot be had.
    fn map(&self, start: u64, size: u64) -> Result<(), MapError>;

    /// The host is about to write there, in memory that was mapped: what has its pages brought in at once is faster
    /// then.
    fn prepare(&self, _start: u64, _size: u64) {}

    /// Gives the guest its rights to memory that was mapped with that start and size.
    ///
    /// # Errors
    /// If the rights cannot be given.
    fn protect(&self, start: u64, size: u64, access: Access) -> Result<(), MapError>;

    /// Takes memory back that was mapped with that start and size.
    fn unmap(&self, start: u64, size: u64);
}

/// Why memory is not mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// Something is there already.
    #[error("the addresses are in use")]
    Taken,
    /// The reason of the system below.
    #[error(transparent)]
    System(Box<dyn core::error::Error + Send + Sync>),
}

/// A mapping with one set of rights.
#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    access: Access,
}

impl Mapping {
    const fn size(&self) -> u64 {
        self.end - self.start
    }
}

/// All mappings of a guest.
#[derive(Debug)]
pub struct GuestMemory {
    pages: Box<dyn Pages>,
    /// Sorted by address.
    mappings: Vec<Mapping>,
    /// Index of the mapping that was wanted last: mostly the guest's stack, and wanted again. A handler that interrupts
    /// a look at it may change it.
    last: AtomicUsize,
}

impl GuestMemory {
    /// No memory yet.
    #[must_use]
    pub fn new(pages: Box<dyn Pages>) -> Self {
        Self {
            pages,
            mappings: Vec::new(),
            last: AtomicUsize::new(0),
        }
    }

    /// Adds zeroed memory: the pages that hold `start..end`, which are not mapped yet. The guest's rights come with
    /// [`GuestMemory::seal`].
    ///
    /// # Errors
    /// If something is there already, or the memory cannot be had.
    pub fn map(&mut self, start: u64, end: u64, access: Access) -> Result<(), MapError> {
        let (start, end) = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
        self.pages.map(start, end - start)?;
        let place = self.mappings.partition_point(|other| other.start < start);
        let mapping = Mapping { start, end, access };
        self.mappings.insert(place, mapping);
        Ok(())
    }

    /// Gives the guest its rights and takes the host's.
    ///
    /// # Errors
    /// If the system below refuses.
    pub fn seal(&self) -> Result<(), MapError> {
        // Memory for reading and writing is as it was mapped.
        let as_mapped = |access: Access| access.read && access.write && !access.execute;
        self.mappings
            .iter()
            .filter(|mapping| !as_mapped(mapping.access))
            .try_for_each(|mapping| self.pages.protect(mapping.start, mapping.size(), mapping.access))
    }

    /// Writes where the guest may not, before [`GuestMemory::seal`].
    ///
    /// # Panics
    /// Outside the mappings: the image's addresses have been checked.
    pub fn initialize(&mut self, address: u64, bytes: &[u8]) {
        let size = bytes.len() as u64;
        assert!(self.allows(address, size, |_| true), "inside the mappings");
        if bytes.is_empty() {
            return;
        }
        let (start, end) = (address / PAGE * PAGE, (address + size).next_multiple_of(PAGE));
        self.pages.prepare(start, end - start);
        // SAFETY: mapped and not yet sealed, and nothing else refers to it.
        unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Has the mapping that holds `address`, if one does, be the first that is looked at.
    pub(crate) fn expect(&self, address: u64) {
        let holds = |mapping: &Mapping| (mapping.start..mapping.end).contains(&address);
        if let Some(index) = self.mappings.iter().position(holds) {
            self.last.store(index, Ordering::Relaxed);
        }
    }

    /// Returns whether the guest may read `size` bytes from `address` on.
    #[must_use]
    pub fn readable(&self, address: u64, size: u64) -> bool {
        self.allows(address, size, |access| access.read)
    }

    /// Returns whether the guest may write `size` bytes from `address` on.
    #[must_use]
    pub fn writable(&self, address: u64, size: u64) -> bool {
        self.allows(address, size, |access| access.write)
    }

    /// Returns whether the guest may execute code at `address`.
    #[must_use]
    pub fn executable(&self, address: u64) -> bool {
        // Handlers ask, between two looks at the stack.
        self.access_at(address).is_some_and(|access| access.execute)
    }

    /// The rights of the guest at `address`, `None` where nothing is mapped.
    #[must_use]
    pub fn access_at(&self, address: u64) -> Option<Access> {
        self.mappings
            .iter()
            .find(|mapping| (mapping.start..mapping.end).contains(&address))
            .map(|mapping| mapping.access)
    }

    /// What is mapped, sorted by address, and the guest's rights to it.
    pub fn mappings(&self) -> impl ExactSizeIterator<Item = (Range<u64>, Access)> {
        self.mappings
            .iter()
            .map(|mapping| (mapping.start..mapping.end, mapping.access))
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

    /// Copies as many bytes from the guest as it could read from `address` on without a gap, and no more than `buffer`
    /// holds. Returns how many.
    #[must_use]
    pub fn read_some(&self, address: u64, buffer: &mut [u8]) -> usize {
        let end = address.saturating_add(buffer.len() as u64);
        let reached = self.reach(address, end, |access| access.read).min(end);
        let size = (reached - address) as usize;
        // SAFETY: readable as checked; the guest does not run meanwhile.
        unsafe { (address as *const u8).copy_to_nonoverlapping(buffer.as_mut_ptr(), size) };
        size
    }

    /// The guest's pointer of `size` bytes, at most 8, at `address`; `None` if the guest could not read it itself.
    #[must_use]
    pub fn pointer(&self, address: u64, size: u64) -> Option<u64> {
        let bytes = self.read(address, size).ok()?;
        let mut pointer = [0; 8];
        pointer[..bytes.len()].copy_from_slice(&bytes);
        Some(u64::from_le_bytes(pointer))
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

    /// Returns whether `size` bytes from `address` on are mapped without a gap, with rights that `right` accepts.
    #[inline]
    fn allows(&self, address: u64, size: u64, right: impl Fn(Access) -> bool) -> bool {
        let Some(end) = address.checked_add(size) else {
            return false;
        };
        let last = self.mappings.get(self.last.load(Ordering::Relaxed));
        last.is_some_and(|last| last.start <= address && end <= last.end && right(last.access))
            || self.search(address, end, right)
    }

    #[inline(never)]
    fn search(&self, address: u64, end: u64, right: impl Fn(Access) -> bool) -> bool {
        self.expect(address);
        self.reach(address, end, right) >= end
    }

    /// Where what is mapped from `address` on ends, without a gap, with rights that `right` accepts; `address` if
    /// nothing is. Not looked for beyond `end`.
    fn reach(&self, address: u64, end: u64, right: impl Fn(Access) -> bool) -> u64 {
        let mut reached = address;
        for mapping in &self.mappings {
            if reached >= end {
                break;
            }
            if reached >= mapping.start && reached < mapping.end && right(mapping.access) {
                reached = mapping.end;
            }
        }
        reached
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        for mapping in &self.mappings {
            self.pages.unmap(mapping.start, mapping.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps nothing.
    #[derive(Debug)]
    struct NoPages;

    // SAFETY: not kept, so the tests only ask what is where.
    unsafe impl Pages for NoPages {
        fn map(&self, start: u64, _: u64) -> Result<(), MapError> {
            if start == 0 {
                return Err(MapError::Taken);
            }
            Ok(())
        }

        fn protect(&self, _: u64, _: u64, access: Access) -> Result<(), MapError> {
            assert!(!access.write, "as it was mapped");
            Ok(())
        }

        fn unmap(&self, _: u64, _: u64) {}
    }

    #[test]
    fn rights_are_those_of_the_mappings() {
        let rights = |write, execute| Access {
            read: true,
            write,
            execute,
        };
        let mut memory = GuestMemory::new(Box::new(NoPages));
        memory.map(0x3000, 0x4001, rights(true, false)).unwrap();
        memory.map(0x2000, 0x3000, rights(false, true)).unwrap();
        memory.map(0x8000, 0x9000, rights(false, false)).unwrap();
        assert!(matches!(memory.map(0, 1, rights(true, false)), Err(MapError::Taken)));
        memory.seal().unwrap();
        assert!(memory.readable(0x2000, 0x3000), "two mappings, no gap");
        assert!(!memory.readable(0x2000, 0x3001), "behind the end");
        assert!(!memory.writable(0x2fff, 2), "begins in code");
        assert!(memory.writable(0x3000, 0x2000));
        assert!(memory.executable(0x2fff) && !memory.executable(0x3000));
        assert!(!memory.readable(u64::MAX, 2), "wraps");
        memory.expect(0x2000);
        assert!(
            memory.readable(0x2fff, 1) && !memory.writable(0x2fff, 1),
            "the one that was looked at last"
        );
        assert!(
            memory.readable(0x2fff, 2) && !memory.readable(0x1fff, 2),
            "beyond it, before it"
        );
        memory.expect(0x5000);
        assert!(
            !memory.readable(0x5000, 1) && memory.readable(0x4fff, 1),
            "none is there"
        );
        assert_eq!(memory.access_at(0x8fff), Some(rights(false, false)));
        assert_eq!(memory.access_at(0x9000), None);
        assert_eq!(memory.read(0x7fff, 1), Err(Error::BadAddress));
        assert_eq!(memory.read_some(0x7fff, &mut [0; 2]), 0, "begins in a gap");
        assert_eq!(memory.read_some(u64::MAX, &mut [0; 2]), 0, "wraps");
        assert_eq!(memory.write(0x8000, &[0]), Err(Error::BadAddress));
    }
}
