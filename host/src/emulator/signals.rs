// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a file to wait for, beside the guest's streams.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::process::FAULTS;
use crate::terminal::{action, ends_by_default};

/// As long as it lives, signals that would end the program, and the terminal's request to stop, wait in the file.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) file: OwnedFd,
    before: libc::sigset_t,
}

impl Signals {
    /// From now on. Signals that whoever started us wants ignored, as nohup does, stay ignored, and those that the
    /// program handles are left to it.
    pub(super) fn wait() -> io::Result<Self> {
        let mut set = empty_set();
        for signal in 1..=libc::SIGRTMAX() {
            let is_ours = signal == libc::SIGTSTP || ends_by_default(signal);
            let is_free = action(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL);
            // A fault of our own cannot wait.
            if is_ours && is_free && !FAULTS.contains(&signal) {
                // SAFETY: a live variable and a valid signal number.
                unsafe { libc::sigaddset(&mut set, signal) };
            }
        }
        // SAFETY: a live variable.
        let file = match unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) } {
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

/// Stops, as the terminal asks for, until somebody lets it go on. Where nobody could, the system does not stop it.
pub(super) fn stop() {
    let mut set = empty_set();
    // SAFETY: live variables. The signal is blocked, and comes when it is let in.
    unsafe {
        libc::sigaddset(&mut set, libc::SIGTSTP);
        libc::raise(libc::SIGTSTP);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all zeros is a valid value of this C struct, and the empty set on Linux.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
