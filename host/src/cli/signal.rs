// SPDX-License-Identifier: MIT OR Apache-2.0
//! Death by a signal, as whoever sent it expects.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether whoever started the program wants SIGPIPE ignored.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// A reader that closes its pipe is an error of the write, not this program's death: there may be a guest and a
/// terminal to take care of. To be called before any thread is started.
#[cfg_attr(test, allow(dead_code, reason = "the test program has a start of its own"))]
pub(crate) fn ignore_sigpipe() {
    // SAFETY: no pointers; no other thread runs yet.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    SIGPIPE_IGNORED.store(before == libc::SIG_IGN, Ordering::Relaxed);
}

/// Has a reader that closes its pipe end the program, unless whoever started it wants that ignored: for output that the
/// program does not write itself.
pub(super) fn let_sigpipe_end_it() {
    if is_deadly(libc::SIGPIPE) {
        // SAFETY: no pointers; the default action runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
}

/// Lets this program learn how those end that it starts, even if whoever started it does not want to know of his.
pub(super) fn wait_for_children() {
    // SAFETY: no pointers; the default action does nothing.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Returns whether that signal is to be the program's end. Of those that come here, only a SIGPIPE may be one that
/// whoever started the program wants ignored.
pub(super) fn is_deadly(signal: i32) -> bool {
    signal != libc::SIGPIPE || !SIGPIPE_IGNORED.load(Ordering::Relaxed)
}

/// Runs `body` to its end whatever signals come: those that can be put off take effect behind it.
pub(super) fn put_off<R>(body: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: live variables, which the calls fill in.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = body();
    // SAFETY: as it was filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

/// Dies by that signal.
pub(super) fn die_by(signal: i32) {
    // SAFETY: a live variable, filled in by the calls; the default action of these signals ends the process.
    unsafe {
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}
