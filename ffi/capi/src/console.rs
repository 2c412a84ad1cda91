// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/console.h>`.

use core::ffi::c_void;
use core::slice;

use paravirt_bsp::console;

/// Writes all of a buffer now, after what was put. What the host refuses is lost.
///
/// # Safety
/// `buffer` must be valid for reads of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_console_write(buffer: *const c_void, length: usize) {
    if length == 0 {
        return;
    }
    // SAFETY: passed on to the caller; a slice may not be null, and with a length it is not.
    let _ = console::write(unsafe { slice::from_raw_parts(buffer.cast(), length) });
}

/// Reads what is there now: the number of bytes, 0 if there are none, or `PV_ERROR_END_OF_INPUT`.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_console_read(buffer: *mut c_void, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: passed on to the caller.
    crate::count(console::read_available(unsafe {
        slice::from_raw_parts_mut(buffer.cast(), length)
    }))
}

/// Puts a byte into the line, which goes to the host when it ends.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_console_put(byte: u8) {
    console::put(byte);
}

/// Sends what was put. What the host refuses is lost.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_console_flush() {
    let _ = console::flush();
}

/// Reads a byte, after sending what was put: the byte, or -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_console_poll() -> i32 {
    paravirt_console_flush();
    let mut byte = [0];
    match console::read_available(&mut byte) {
        Ok(1..) => i32::from(byte[0]),
        Ok(0) | Err(_) => -1,
    }
}
