// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console on standard input and output.

use paravirt_abi::error::Error;
use paravirt_abi::line;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use super::syscall::POLL;
use super::syscall::{FCNTL, GETPID, READ, WRITE, syscall3};
#[cfg(target_arch = "aarch64")]
use super::syscall::{PPOLL, Timespec, syscall4};
use crate::backend::lines;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_console_read = read, pv_console_write = write }; }

const STDIN: usize = 0;
const STDOUT: usize = 1;
const EAGAIN: isize = -11;
const EINTR: isize = -4;

const F_GETFL: usize = 3;
const F_SETFL: usize = 4;
const F_SETOWN: usize = 8;
const O_ASYNC: usize = 0o20000;

/// `struct pollfd`.
#[repr(C)]
struct Poll {
    file: i32,
    events: i16,
    returned: i16,
}

const POLLIN: i16 = 1;

pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    loop {
        // SAFETY: the kernel checks the buffer.
        match unsafe { syscall3(WRITE, STDOUT, buffer as usize, length) } {
            EINTR => {}
            EAGAIN => return 0,
            error if error < 0 => return Error::Device.number() as isize,
            written => return written,
        }
    }
}

pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if !readable() {
        return 0;
    }
    // SAFETY: the kernel checks the buffer.
    match unsafe { syscall3(READ, STDIN, buffer as usize, length) } {
        0 if length > 0 => Error::EndOfInput.number() as isize,
        EAGAIN | EINTR => 0,
        error if error < 0 => Error::Device.number() as isize,
        read => {
            // A file signals nothing: what is left is announced now.
            if readable() {
                lines::signal(line::CONSOLE);
            }
            read
        }
    }
}

#[inline(never)] // three calls of it, and the guest is small
fn readable() -> bool {
    let mut poll = Poll {
        file: STDIN as i32,
        events: POLLIN,
        returned: 0,
    };
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    // SAFETY: one pollfd, which lives through the call; no waiting.
    let ready = unsafe { syscall3(POLL, &raw mut poll as usize, 1, 0) };
    #[cfg(target_arch = "aarch64")]
    let ready = {
        let at_once = Timespec::default();
        // SAFETY: as above; the time lives through the call, and there is no set of signals.
        unsafe { syscall4(PPOLL, &raw mut poll as usize, 1, &raw const at_once as usize, 0) }
    };
    ready > 0
}

/// Asks for a signal on input. Called when the console line is unmasked; what is there already is announced at once.
#[inline(never)] // in the table of devices and where that is called, and the guest is small
pub(super) fn announce_input() {
    // SAFETY: numbers only. A file that cannot signal refuses, which leaves the announcement below.
    unsafe {
        syscall3(FCNTL, STDIN, F_SETOWN, syscall3(GETPID, 0, 0, 0) as usize);
        let flags = syscall3(FCNTL, STDIN, F_GETFL, 0);
        if flags >= 0 {
            syscall3(FCNTL, STDIN, F_SETFL, flags as usize | O_ASYNC);
        }
    }
    if readable() {
        lines::signal(line::CONSOLE);
    }
}

/// Gives standard input back as it was, because its flags are shared with whoever started us.
pub(super) fn restore_input() {
    // SAFETY: numbers only.
    unsafe {
        let flags = syscall3(FCNTL, STDIN, F_GETFL, 0);
        if flags >= 0 && flags as usize & O_ASYNC != 0 {
            syscall3(FCNTL, STDIN, F_SETFL, flags as usize & !O_ASYNC);
        }
    }
}
