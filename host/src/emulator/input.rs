// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input on its way to the guest's serial line.
//!
//! A serial line has no end and little room. The end of the input reaches the guest as Ctrl-D. Input waits for the
//! guest's first output: before that, it would go into a serial port that is about to be reset, be commands for Xen, or
//! fill Xen's ring of 128 bytes before anybody reads it. What that ring cannot hold is lost, so under Xen input is
//! slow.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::PollFd;
use rustix::io::Errno;

use super::VirtualMachine;
use crate::streams::Stream;

/// Ctrl-D, end of transmission.
const END: u8 = 4;
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// A guest that prints nothing takes input after that time.
const OPEN_DELAY: Duration = Duration::from_secs(1);
/// Bytes given to Xen at a time, an eighth of its ring.
const XEN_CHUNK: usize = 16;
/// Time for the guest to take them.
const XEN_PAUSE: Duration = Duration::from_millis(20);

/// Input that waits for the guest.
#[derive(Debug)]
pub(super) struct Input {
    /// `None`: ended.
    file: Option<Stream>,
    waiting: Vec<u8>,
    /// Whether Xen reads it for the guest.
    through_xen: bool,
    /// From when on the guest takes input; `None`: not known.
    open_from: Option<Instant>,
    /// Whether it has printed anything.
    heard: bool,
}

impl Input {
    /// Standard input; if it is closed, it has ended.
    pub(super) fn stdin(platform: VirtualMachine) -> Self {
        let file = io::stdin().as_fd().try_clone_to_owned();
        let file = file.ok().map(Stream::reader);
        let waiting = if file.is_none() { vec![END] } else { Vec::new() };
        let (through_xen, after_xen) = match platform {
            VirtualMachine::Bare => (false, false),
            // The serial port is the guest's.
            VirtualMachine::XenDomu => (false, true),
            VirtualMachine::XenPv | VirtualMachine::XenPvh => (true, true),
        };
        Self {
            file,
            waiting,
            through_xen,
            open_from: (!after_xen).then(|| Instant::now() + OPEN_DELAY),
            heard: false,
        }
    }

    /// Xen has started the guest.
    pub(super) fn guest_started(&mut self) {
        self.open_from = Some(Instant::now() + OPEN_DELAY);
    }

    /// The guest has printed something.
    pub(super) fn guest_printed(&mut self) {
        if !self.heard {
            self.heard = true;
            self.open_from = Some(Instant::now());
        }
    }

    /// To wait for the file, if it has not ended and nothing waits.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        let file = self.file.as_ref()?;
        self.waiting.is_empty().then(|| file.poll_fd())
    }

    /// When the serial line is wanted for what waits; `None`: it is not.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open_from.filter(|_| !self.waiting.is_empty())
    }

    /// Reads once the file is ready.
    pub(super) fn read(&mut self) {
        let Some(file) = &self.file else { return };
        let mut chunk = [0; CHUNK];
        match file.read(&mut chunk) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(count) if count > 0 => self.waiting.extend(&chunk[..count]),
            Ok(_) | Err(_) => {
                self.file = None;
                self.waiting.push(END);
            }
        }
    }

    /// Writes what the serial line takes, once it is ready.
    pub(super) fn write(&mut self, serial: &UnixStream) {
        let mut size = self.waiting.len();
        if self.through_xen {
            self.open_from = Some(Instant::now() + XEN_PAUSE);
            if unread(serial) > 0 {
                return;
            }
            size = size.min(XEN_CHUNK);
        }
        match rustix::io::write(serial, &self.waiting[..size]) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                // QEMU has ended; that is noticed elsewhere.
                self.file = None;
                self.waiting.clear();
            }
        }
    }
}

/// Bytes that we have written and QEMU has not read: an emulator that has to wait for its own turn must not get two
/// portions at once.
fn unread(serial: &UnixStream) -> i32 {
    let mut count = 0;
    // SAFETY: writes to a live variable (Linux, unix(7)). If it fails, nothing is held back.
    unsafe { libc::ioctl(serial.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    count
}
