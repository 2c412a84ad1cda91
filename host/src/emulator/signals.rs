// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a file to wait for, beside the guest's streams.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// Signals that ask the host to end, and the terminal's request to stop.
const SIGNALS: [i32; 5] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGTSTP,
];

/// As long as it lives, those signals wait in the file.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) file: OwnedFd,
    before: libc::sigset_t,
}

impl Signals {
    /// From now on. Signals that whoever started us wants ignored, as nohup does, stay ignored.
    pub(super) fn wait() -> io::Result<Self> {
        let mut set = empty_set();
        for signal in SIGNALS {
            if !ignored(signal) {
                // SAFETY: a live variable and a valid signal number.
                unsafe { libc::sigaddset(&mut set, signal) };
            }
        }
        // SAFETY: a live variable.
        let file = match unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }
        {
            -1 => return Err(io::Error::last_os_error()),
            // SAFETY: a new file descriptor, which nobody else has.
            file => unsafe { OwnedFd::from_raw_fd(file) },
        };
        let mut before = empty_set();
        // SAFETY: live variables.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before) };
        Ok(Self { file, before })
    }

    /// The next signal that has come.
    pub(super) fn next(&self) -> Option<i32> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of_val(&info);
        // SAFETY: points to that many bytes.
        let count = unsafe { libc::read(self.file.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        // SAFETY: the kernel has filled it in whole, or not at all.
        (count == size as isize).then(|| unsafe { info.assume_init() }.ssi_signo as i32)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: a live variable.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all zeros is a valid value of this C struct, and the empty set on Linux.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn ignored(signal: i32) -> bool {
    // SAFETY: all zeros is a valid value of this C struct.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: a live variable; nothing is changed.
    unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
    action.sa_sigaction == libc::SIG_IGN
}
