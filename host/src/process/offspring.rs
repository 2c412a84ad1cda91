// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes of their own that do for this one what a guest's thread may not.
//!
//! That thread is confined for good by the time the guest has ended, and may neither make files nor remove them:
//! whoever has taken it over could do so with any. So a process that was started before does the one thing that it was
//! started for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::dispositions;

/// Starts a process, which runs `work` and ends. It is nobody's child, so that nobody has to wait for it, and no SIGCHLD
/// comes of it; it is not of the terminal's group, so that requests to end are for this one; and of the files that are
/// open, it has those of `keep`, with the numbers 0, 1 and so on. So it hears of the end of this one by a socket whose
/// other end is here.
///
/// # Errors
/// The system's.
///
/// # Safety
/// `work` makes system calls only, allocates nothing and takes no lock, unless this process has one thread: it runs in a
/// child, where what other threads had locked stays so.
pub(crate) unsafe fn start<const N: usize>(keep: [BorrowedFd<'_>; N], work: impl FnOnce()) -> io::Result<()> {
    let child = dispositions::with_blocked(|_| {
        // SAFETY: the child makes system calls only, or what the caller vouches for.
        match unsafe { fork() } {
            0 => {
                // Here, even if `work` panics.
                let end = End;
                // SAFETY: as above.
                if unsafe { fork() } == 0 && keep_only(keep) {
                    work();
                }
                drop(end);
                unreachable!("this process has ended")
            }
            -1 => Err(io::Error::last_os_error()),
            child => Ok(child),
        }
    })?;
    // SAFETY: our child; nobody wants to know its status.
    while unsafe { libc::waitpid(child, ptr::null_mut(), libc::__WALL) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
    Ok(())
}

/// As the C library's, but the child's end sends no signal, and is not seen by who waits for any child: a program
/// around us may do that for its own.
///
/// # Safety
/// As of [`start`]'s `work`, for all that the child does.
unsafe fn fork() -> i32 {
    // SAFETY: the child goes on with a copy of all that there is, on a copy of this stack.
    unsafe { libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) as i32 }
}

/// Ends the process when it is dropped, and nothing of what others have asked for is done at its end.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
}

/// Leaves the terminal's group, and closes all files but those, which get the first numbers: whoever waits for the end
/// of a pipe of this process does not wait for its offspring. Returns whether that was possible.
fn keep_only<const N: usize>(keep: [BorrowedFd<'_>; N]) -> bool {
    let count = N as i32;
    // SAFETY: no pointers; nobody in this process uses the others.
    unsafe {
        libc::setsid();
        // One that has such a number itself is not lost to another.
        let copies = keep.map(|file| libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, count));
        for (number, copy) in (0..).zip(copies) {
            if libc::dup2(copy, number) == -1 {
                return false;
            }
        }
        if libc::syscall(libc::SYS_close_range, count, u32::MAX, 0_u32) != 0 {
            // Linux before 5.9.
            for descriptor in count..1024 {
                libc::close(descriptor);
            }
        }
    }
    true
}
