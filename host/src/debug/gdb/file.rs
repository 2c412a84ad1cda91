// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's file for the debugger, which so finds its symbols without being told. There is no other.

use gdbstub::target::ext::host_io::{HostIoErrno, HostIoOpenMode, HostIoStat};

use super::Machine;

/// Descriptors that a debugger may have open; gdb has one or two.
const MOST: usize = 16;

/// What the guest's file is called, and who has it open.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    open: [bool; MOST],
}

impl File {
    /// The guest's of that machine.
    pub(super) fn new(machine: &impl Machine) -> Self {
        Self {
            name: machine.file_name().to_owned(),
            open: [false; MOST],
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Opens it, if that is its name.
    pub(super) fn open(&mut self, name: &[u8]) -> Result<u32, HostIoErrno> {
        if name != self.name.as_bytes() {
            return Err(HostIoErrno::ENOENT);
        }
        let free = self.open.iter().position(|open| !open).ok_or(HostIoErrno::EMFILE)?;
        self.open[free] = true;
        Ok(free as u32)
    }

    /// Returns whether that descriptor is open.
    pub(super) fn check(&self, descriptor: u32) -> Result<(), HostIoErrno> {
        match self.open.get(descriptor as usize) {
            Some(true) => Ok(()),
            _ => Err(HostIoErrno::EBADF),
        }
    }

    /// Closes it.
    pub(super) fn close(&mut self, descriptor: u32) -> Result<(), HostIoErrno> {
        self.check(descriptor)?;
        self.open[descriptor as usize] = false;
        Ok(())
    }

    /// What a file of that size is.
    pub(super) const fn stat(size: u64) -> HostIoStat {
        HostIoStat {
            st_dev: 0,
            st_ino: 1,
            st_mode: HostIoOpenMode::S_IFREG.union(HostIoOpenMode::S_IRUSR),
            st_nlink: 1,
            st_uid: 0,
            st_gid: 0,
            st_rdev: 0,
            st_size: size,
            st_blksize: 512,
            st_blocks: size.div_ceil(512),
            st_atime: 0,
            st_mtime: 0,
            st_ctime: 0,
        }
    }
}

/// Copies what `text` has from `offset` on, at most `length` bytes. Returns how many.
pub(super) fn copy(text: &[u8], offset: u64, length: usize, buffer: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..));
    let rest = rest.unwrap_or_default();
    let size = rest.len().min(length).min(buffer.len());
    buffer[..size].copy_from_slice(&rest[..size]);
    size
}
