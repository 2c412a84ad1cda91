// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pseudo terminal. Its client is whoever has the terminal's end open.
//!
//! Linux tells that nobody has, by POLLHUP, but not that somebody has opened it, so one has to look. What is written
//! meanwhile would wait in the terminal, which nobody could count, and which some programs empty when they begin; so it
//! is kept back.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::ConsoleError;
use crate::process::port::{Open, Port};

/// How often one looks whether all was read, and the time between.
const LOOKS: u32 = 3;
const MOMENT: Duration = Duration::from_millis(2);

#[derive(Debug)]
struct Terminal {
    /// Our end.
    master: OwnedFd,
    has_client: bool,
}

/// Opens one, in raw mode.
pub(super) fn open() -> Result<Open, ConsoleError> {
    let open = || -> io::Result<Open> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let name = name.into_string().map_err(io::Error::other)?;
        let mut settings = tcgetattr(&master)?;
        settings.make_raw();
        tcsetattr(&master, OptionalActions::Now, &settings)?;
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        // Only of a terminal that was open once it is told that nobody has it open.
        let mut once = OpenOptions::new();
        once.read(true).write(true).custom_flags(libc::O_NOCTTY).open(&name)?;
        let has_client = false;
        Ok((Box::new(Terminal { master, has_client }), name))
    };
    open().map_err(ConsoleError::Pty)
}

/// Returns whether that is so of the stream.
fn is_now(stream: impl AsFd, what: PollFlags) -> bool {
    let mut ready = [PollFd::new(&stream, what)];
    // POLLHUP is told without being asked for.
    poll(&mut ready, Some(&Timespec::default())).is_ok() && ready[0].revents().intersects(what)
}

impl Port for Terminal {
    fn door(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn admit(&mut self) -> bool {
        self.has_client = !is_now(&self.master, PollFlags::HUP);
        self.has_client
    }

    fn client(&self) -> Option<BorrowedFd<'_>> {
        self.has_client.then(|| self.master.as_fd())
    }

    fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.master, bytes)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::write(&self.master, bytes)
    }

    /// What waits in the terminal goes with our end of it. Kernels before 4.13 do not let us look. Between what the
    /// client has just read and what comes next from a full terminal there seems to be nothing for a moment.
    fn has_read_all(&self) -> bool {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let Ok(peer) = ioctl_tiocgptpeer(&self.master, flags) else {
            return true;
        };
        (0..LOOKS).all(|_| {
            thread::sleep(MOMENT);
            !is_now(&peer, PollFlags::IN)
        })
    }

    fn dismiss(&mut self) {
        self.has_client = false;
    }
}
