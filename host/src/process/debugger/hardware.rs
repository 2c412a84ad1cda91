// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watchpoints: of the processor, which Linux lends by its performance events (perf_event_open(2)), and those that are
//! watched for changes, by a look after each instruction.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Mutex;

use crate::debug::gdb::{WatchKind, Watched};
use crate::process::lock;

/// `struct perf_event_attr` up to where Linux 5.13 has it, which is the first that sends SIGTRAP (linux/perf_event.h).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    bp_addr: u64,
    bp_len: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
    aux_sample_size: u32,
    reserved_too: u32,
    /// What comes with the signal.
    sig_data: u64,
}

/// `PERF_TYPE_BREAKPOINT`
const BREAKPOINT: u32 = 5;
/// Flags: not the kernel, which writes to what is watched in the guest's stead; not in another program; by SIGTRAP.
const FLAGS: u64 = 1 << 5 | 1 << 6 | 1 << 36 | 1 << 37;
/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: u64 = 1 << 3;
/// `HW_BREAKPOINT_R` and `_W` (linux/hw_breakpoint.h). The processor knows none for reads alone.
const READ: u32 = 1;
const WRITE: u32 = 2;

/// `si_code` of the signal (Linux, asm-generic/siginfo.h).
pub(in crate::process) const TRAP_PERF: i32 = 6;

/// The system call by which it is asked for.
pub(super) const CALL: u32 = libc::SYS_perf_event_open as u32;

/// What the processor watches.
#[derive(Debug, Default)]
pub(super) struct Hardware(Mutex<Vec<(Watched, OwnedFd)>>);

impl Hardware {
    /// Has it watch that for a thread.
    ///
    /// # Errors
    /// The system's: the processor has no room, the system does not lend it to this user, or that cannot be watched.
    pub(super) fn add(&self, thread: libc::pid_t, watched: Watched) -> io::Result<()> {
        let descriptor = watch(thread, watched)?;
        lock(&self.0).push((watched, descriptor));
        Ok(())
    }

    /// Ends it. Returns whether that was watched.
    pub(super) fn remove(&self, watched: Watched) -> bool {
        let mut all = lock(&self.0);
        let index = all.iter().position(|(other, _)| *other == watched);
        index.map(|index| all.swap_remove(index)).is_some()
    }

    /// Ends all.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// Until the descriptor is closed.
fn watch(thread: libc::pid_t, watched: Watched) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: BREAKPOINT,
        size: size_of::<Attributes>() as u32,
        sample_period: 1,
        flags: FLAGS,
        bp_type: match watched.kind {
            WatchKind::Write => WRITE,
            WatchKind::Read | WatchKind::ReadWrite => READ | WRITE,
        },
        bp_addr: watched.address,
        bp_len: watched.size,
        sig_data: encode(watched),
        ..Attributes::default()
    };
    let (any_processor, no_group) = (-1, -1);
    // SAFETY: a live structure of the size that is in it.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            thread,
            any_processor,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// As a word that comes with the signal; addresses are below 4 GiB, sizes up to 8.
const fn encode(watched: Watched) -> u64 {
    let accesses = match watched.kind {
        WatchKind::Write => 0,
        WatchKind::Read => 1,
        WatchKind::ReadWrite => 2,
    };
    watched.address | watched.size << 32 | accesses << 40
}

/// The reverse.
pub(super) const fn decode(word: u64) -> Watched {
    Watched {
        address: word & 0xffff_ffff,
        size: word >> 32 & 0xff,
        kind: match word >> 40 {
            0 => WatchKind::Write,
            1 => WatchKind::Read,
            _ => WatchKind::ReadWrite,
        },
    }
}

/// Most that are watched at a time, and the bytes of each.
const MOST: usize = 8;
const BYTES: usize = 64;

/// What is watched, and what was there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watches([Option<Watch>; MOST]);

#[derive(Clone, Copy, Debug)]
struct Watch {
    watched: Watched,
    before: [u8; BYTES],
}

impl Watches {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Begins to watch. Returns whether there is room.
    pub(super) fn add(&mut self, watched: Watched) -> bool {
        let free = self.0.iter_mut().find(|watch| watch.is_none());
        let Some(free) = free.filter(|_| (1..=BYTES as u64).contains(&watched.size)) else {
            return false;
        };
        *free = Some(Watch {
            watched,
            before: [0; BYTES],
        });
        true
    }

    /// Ends it. Returns whether that was watched.
    pub(super) fn remove(&mut self, watched: Watched) -> bool {
        let is_it = |watch: &&mut Option<Watch>| watch.as_ref().is_some_and(|watch| watch.watched == watched);
        self.0.iter_mut().find(is_it).and_then(Option::take).is_some()
    }

    /// Notes what is there now.
    ///
    /// # Safety
    /// All that is watched can be read.
    pub(super) unsafe fn note(&mut self) {
        for watch in self.0.iter_mut().flatten() {
            // SAFETY: the caller's.
            watch.before = unsafe { watch.now() };
        }
    }

    /// What has changed.
    ///
    /// # Safety
    /// All that is watched can be read.
    pub(super) unsafe fn changed(&self) -> Option<Watched> {
        // SAFETY: the caller's.
        let is_changed = |watch: &&Watch| unsafe { watch.now() } != watch.before;
        self.0.iter().flatten().find(is_changed).map(|watch| watch.watched)
    }
}

impl Watch {
    /// # Safety
    /// It can be read.
    unsafe fn now(&self) -> [u8; BYTES] {
        let mut now = [0; BYTES];
        let size = self.watched.size as usize;
        // SAFETY: the caller's; as many bytes were taken.
        unsafe { (self.watched.address as *const u8).copy_to_nonoverlapping(now.as_mut_ptr(), size) };
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_comes_back_with_the_signal() {
        for kind in [WatchKind::Write, WatchKind::Read, WatchKind::ReadWrite] {
            let watched = Watched {
                address: 0xffff_fff8,
                size: 8,
                kind,
            };
            assert_eq!(decode(encode(watched)), watched);
        }
    }

    #[test]
    fn the_structure_is_as_linux_has_it() {
        assert_eq!(size_of::<Attributes>(), 128);
        assert_eq!(std::mem::offset_of!(Attributes, bp_addr), 56);
        assert_eq!(std::mem::offset_of!(Attributes, sig_data), 120);
    }
}
