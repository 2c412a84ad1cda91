// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: bytes out and in.
//!
//! [`print!`](crate::print!) collects a line before it calls the host. Input is polled with [`read_available`], or waited for with
//! [`embedded_io::Read`]; new input raises line [`paravirt_abi::line::CONSOLE`], for which [`crate::irq::attach`] takes a handler.

use core::fmt;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};
use paravirt_abi::line;

use crate::local::Local;
use crate::{Error, cpu, interface, irq};

/// Longest piece of a line that is kept before it goes to the host, in bytes.
const LINE_LENGTH: usize = 128;

static LINE: Local<[u8; LINE_LENGTH]> = Local::new([0; LINE_LENGTH]);
static LENGTH: Local<usize> = Local::new(0);
/// A byte that [`ReadReady`] had to take to see whether there is one.
static AHEAD: Local<Option<u8>> = Local::new(None);

/// The console as an `embedded-io` device. All values mean the same one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console;

/// An [`Error`] of the console, as `embedded-io` wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleError(pub Error);

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for ConsoleError {}

impl embedded_io::Error for ConsoleError {
    fn kind(&self) -> ErrorKind {
        match self.0 {
            Error::NotOffered => ErrorKind::Unsupported,
            Error::InvalidArgument | Error::BadAddress => ErrorKind::InvalidInput,
            Error::NotPermitted => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        }
    }
}

impl ErrorType for Console {
    type Error = ConsoleError;
}

impl Write for Console {
    /// Writes at once, after what [`print!`](crate::print!) has collected.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ConsoleError> {
        flush();
        write_some(bytes).map_err(ConsoleError)
    }

    fn flush(&mut self) -> Result<(), ConsoleError> {
        flush();
        Ok(())
    }
}

impl Read for Console {
    /// Waits for input without using the processor; 0 bytes mean that the input has ended.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConsoleError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // Unmasked, the line ends the wait below; a line that the application attached stays with its handler.
        let attached = irq::attach(line::CONSOLE, no_handler, core::ptr::null_mut()).is_ok();
        let read = wait_for_input(buffer);
        if attached {
            irq::detach(line::CONSOLE).map_err(ConsoleError)?;
        }
        read.map_err(ConsoleError)
    }
}

impl ReadReady for Console {
    fn read_ready(&mut self) -> Result<bool, ConsoleError> {
        cpu::without_interrupts(|| {
            if AHEAD.get().is_some() {
                return Ok(true);
            }
            let mut byte = [0];
            match read_available(&mut byte) {
                Ok(0) => Ok(false),
                Ok(_) => {
                    AHEAD.set(Some(byte[0]));
                    Ok(true)
                }
                Err(Error::EndOfInput) => Ok(true),
                Err(error) => Err(ConsoleError(error)),
            }
        })
    }
}

extern "C" fn no_handler(_line: u32, _argument: *mut core::ffi::c_void) {}

fn wait_for_input(buffer: &mut [u8]) -> Result<usize, Error> {
    let mut read = Ok(0);
    cpu::idle_until(|| {
        read = read_available(buffer);
        read != Ok(0)
    });
    match read {
        Err(Error::EndOfInput) => Ok(0),
        other => other,
    }
}

/// Reads what is there now, without waiting; 0 bytes mean that there is nothing yet.
///
/// # Errors
/// [`Error::EndOfInput`] when no input will come any more; whatever the host reports.
pub fn read_available(buffer: &mut [u8]) -> Result<usize, Error> {
    let Some(first) = buffer.first_mut() else {
        return Ok(0);
    };
    if let Some(byte) = cpu::without_interrupts(|| {
        let ahead = AHEAD.get();
        AHEAD.set(None);
        ahead
    }) {
        *first = byte;
        return Ok(1);
    }
    // SAFETY: the buffer is valid for writes of its length.
    count(unsafe { interface::pv_console_read(buffer.as_mut_ptr(), buffer.len()) })
}

/// Writes all of `bytes` now, after what [`print!`](crate::print!) has collected; what the host refuses is lost.
pub fn write(bytes: &[u8]) {
    flush();
    write_all(bytes);
}

/// Adds a byte to the line that [`print!`](crate::print!) collects.
pub fn put(byte: u8) {
    cpu::without_interrupts(|| push(byte));
}

fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write_some(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(_) => return,
        }
    }
}

fn write_some(bytes: &[u8]) -> Result<usize, Error> {
    if bytes.is_empty() {
        return Ok(0);
    }
    loop {
        // SAFETY: the buffer is valid for reads of its length.
        let written = count(unsafe { interface::pv_console_write(bytes.as_ptr(), bytes.len()) })?;
        if written > 0 {
            return Ok(written);
        }
        // A host with a full ring takes nothing for a while.
        core::hint::spin_loop();
    }
}

fn count(number: isize) -> Result<usize, Error> {
    usize::try_from(number)
        .map_err(|_| Error::from_number(i32::try_from(number).unwrap_or(Error::Device.number())))
}

/// Sends what [`print!`](crate::print!) has collected.
pub fn flush() {
    cpu::without_interrupts(|| {
        // SAFETY: `push` keeps the length within the line, and with interrupts off nobody else writes there. In place, because
        // the stack may be one of RTEMS' smallest.
        write_all(unsafe { core::slice::from_raw_parts(LINE.as_ptr().cast(), LENGTH.get()) });
        LENGTH.set(0);
    });
}

/// Where [`print!`](crate::print!) ends. A piece of text is kept together; pieces of a handler may come between the pieces of what it interrupted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineWriter;

impl fmt::Write for LineWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        cpu::without_interrupts(|| {
            for &byte in text.as_bytes() {
                push(byte);
            }
        });
        Ok(())
    }
}

/// Adds a byte to the line. Called with interrupts off.
fn push(byte: u8) {
    let length = LENGTH.get();
    // SAFETY: `flush` empties the line when it is full, so `length` is below its size; interrupts are off.
    unsafe { LINE.as_ptr().cast::<u8>().add(length).write(byte) };
    LENGTH.set(length + 1);
    if byte == b'\n' || length + 1 == LINE_LENGTH {
        flush();
    }
}

#[doc(hidden)]
pub fn print_arguments(arguments: fmt::Arguments<'_>) {
    // `LineWriter` has no errors; one of the arguments' own `Display` ends the text early.
    let _ = fmt::Write::write_fmt(&mut LineWriter, arguments);
}

/// Prints to the console, like the macro of `std`; the text goes to the host at the end of a line or by [`console::flush`](flush).
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => { $crate::console::print_arguments(::core::format_args!($($arguments)*)) };
}

/// [`print!`](crate::print!)(crate::print!) with a newline.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arguments:tt)*) => { $crate::console::print_arguments(::core::format_args!("{}\n", ::core::format_args!($($arguments)*))) };
}
