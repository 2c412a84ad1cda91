// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal: no line editing and no echo while a guest reads from it, as it was on every way out.
//!
//! What was is kept in a static, because signal handlers and the panic hook restore it. Ctrl-C and Ctrl-Z stay signals.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The terminal's settings before and during raw mode.
struct Saved {
    fd: AtomicI32,
    raw: AtomicBool,
    before: UnsafeCell<MaybeUninit<libc::termios>>,
    during: UnsafeCell<MaybeUninit<libc::termios>>,
}

// SAFETY: the cells are written by `enter` before it sets `raw`, and read only while `raw` is set or was.
unsafe impl Sync for Saved {}

static SAVED: Saved = Saved {
    fd: AtomicI32::new(-1),
    raw: AtomicBool::new(false),
    before: UnsafeCell::new(MaybeUninit::uninit()),
    during: UnsafeCell::new(MaybeUninit::uninit()),
};

/// Raw mode; its end restores the terminal.
#[derive(Debug)]
pub(crate) struct RawMode(());

impl RawMode {
    /// Sets raw mode if `fd` is a terminal and none is in raw mode already.
    pub(crate) fn enter(fd: BorrowedFd<'_>) -> Option<Self> {
        static HOOK: Once = Once::new();
        if SAVED.raw.load(Ordering::SeqCst) {
            return None;
        }
        let fd = fd.as_raw_fd();
        // SAFETY: nobody reads the cell while `raw` is clear.
        let before = unsafe { &mut *SAVED.before.get() };
        // SAFETY: points to memory for the settings.
        if unsafe { libc::tcgetattr(fd, before.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: filled in by the call above.
        let mut during = unsafe { before.assume_init() };
        during.c_lflag &= !(libc::ICANON | libc::ECHO);
        during.c_cc[libc::VMIN] = 1;
        during.c_cc[libc::VTIME] = 0;
        // SAFETY: nobody reads the cell while `raw` is clear.
        unsafe { (*SAVED.during.get()).write(during) };
        SAVED.fd.store(fd, Ordering::SeqCst);
        SAVED.raw.store(true, Ordering::SeqCst);
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                next(info);
            }));
        });
        resume();
        Some(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
        SAVED.raw.store(false, Ordering::SeqCst);
    }
}

/// Puts the terminal back as it was. May be called from a signal handler, and more than once.
pub(crate) fn restore() {
    set(&SAVED.before);
}

/// Sets raw mode again after [`restore`], unless the process has been put into the background.
pub(crate) fn resume() {
    let fd = SAVED.fd.load(Ordering::SeqCst);
    // SAFETY: two system calls without pointers.
    if unsafe { libc::tcgetpgrp(fd) == libc::getpgrp() } {
        set(&SAVED.during);
    }
}

fn set(settings: &UnsafeCell<MaybeUninit<libc::termios>>) {
    if !SAVED.raw.load(Ordering::SeqCst) {
        return;
    }
    // SAFETY: all zeros is a valid value of this C struct.
    let mut blocked: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut mask: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: live variables and, while `raw` is set, settings that were filled in. A background process may change its
    // terminal with SIGTTOU blocked.
    unsafe {
        libc::sigaddset(&mut blocked, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &mut mask);
        libc::tcsetattr(
            SAVED.fd.load(Ordering::SeqCst),
            libc::TCSANOW,
            (*settings.get()).as_ptr(),
        );
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
    }
}
