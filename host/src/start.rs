// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program's start on Linux, in place of the standard library's.
//!
//! Before `main` the standard library reads `/proc/self/maps` to find the end of the stack, and prepares for its
//! overflow. That takes an eighth of the time from the start of `pvhost run hello` to its exit, and while a guest runs
//! the process host handles faults itself. What else the standard library does there is done here. (Arguments and
//! environment reach it on their own, by glibc's initialization; with another C library the program starts as usual.)

use std::ffi::{c_char, c_int};
use std::fs::OpenOptions;
use std::os::fd::IntoRawFd;

/// C's entry of the program; it gets no use of its arguments.
///
/// # Safety
/// For the C library's start code.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    open_standard_streams();
    crate::cli::signal::ignore_sigpipe();
    crate::cli::main().into()
}

/// Opens `/dev/null` for each of the three standard streams that is closed: a file that took its number would be taken
/// for it.
fn open_standard_streams() {
    for stream in 0..3 {
        // SAFETY: no pointers.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } != -1 {
            continue;
        }
        // The lowest free number is this stream's. If it cannot be had, writing to the stream fails, and is reported
        // where it can be.
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _ = null.into_raw_fd();
        }
    }
}
