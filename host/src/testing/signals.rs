// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals that ask to end, put off until the children have ended and what they did is written down.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::terminal::action;

/// The first that came; 0: none yet.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Those that are put off.
const ALL: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// As long as it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT do nothing but to be caught. Those that whoever started the
/// program wants ignored, as nohup does, stay ignored, and those that the program handles are left to it. One lives at
/// a time.
#[derive(Debug)]
pub struct Signals {
    ours: Vec<i32>,
}

impl Signals {
    /// From now on.
    #[must_use]
    pub fn put_off() -> Self {
        CAUGHT.store(0, Ordering::Relaxed);
        let is_free = |signal: &i32| action(*signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL);
        let ours: Vec<i32> = ALL.into_iter().filter(is_free).collect();
        for &signal in &ours {
            // SAFETY: all zeros is a valid value of this C struct; the handler stores to an atomic variable and may
            // come at any instruction. A program that is started gets the default action back.
            unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = catch as *const () as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &action, ptr::null_mut());
            }
        }
        Self { ours }
    }

    /// The first that has come.
    #[must_use]
    pub fn caught(&self) -> Option<i32> {
        Some(CAUGHT.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &signal in &self.ours {
            // SAFETY: no pointers; the default action runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

extern "C" fn catch(signal: i32) {
    let _ = CAUGHT.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
}
