// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is watched for changes, by a look after each instruction.

use crate::debug::gdb::Watched;

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
