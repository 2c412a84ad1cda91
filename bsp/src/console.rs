// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: bytes out and in.
//!
//! [`print!`](crate::print!) makes one call of the host for all of its text. Input is polled with [`read_available`],
//! or waited for with [`embedded_io::Read`]; new input raises [`Line::CONSOLE`].
//!
//! ```no_run
//! use embedded_io::{Read, Write};
//! use paravirt_bsp::console::{Console, ConsoleError};
//!
//! fn greet() -> Result<(), ConsoleError> {
//!     let mut name = [0; 32];
//!     Console.write_all(b"your name? ")?;
//!     let length = Console.read(&mut name)?;
//!     Console.write_all(&name[..length])
//! }
//! # fn main() {}
//! ```

use core::cell::{Cell, UnsafeCell};
use core::fmt;

use critical_section::{CriticalSection, Mutex};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};

use crate::irq::Line;
use crate::{Error, cpu, interface};

/// Longest piece of text that is kept before it goes to the host, in bytes.
const LINE_LENGTH: usize = 128;

/// Text that was not yet sent. A host whose guest faults prints it; it finds it by these names, the bytes by the first.
#[unsafe(export_name = "__paravirt_console_line")]
static LINE: Mutex<UnsafeCell<[u8; LINE_LENGTH]>> = Mutex::new(UnsafeCell::new([0; LINE_LENGTH]));
#[unsafe(export_name = "__paravirt_console_length")]
static LENGTH: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));
/// A byte that [`ReadReady`] had to take to see whether there is one.
static AHEAD: Mutex<Cell<Option<u8>>> = Mutex::new(Cell::new(None));

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

impl From<ConsoleError> for Error {
    fn from(error: ConsoleError) -> Self {
        error.0
    }
}

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
        flush().and_then(|()| write_some(bytes)).map_err(ConsoleError)
    }

    fn flush(&mut self) -> Result<(), ConsoleError> {
        flush().map_err(ConsoleError)
    }
}

impl Read for Console {
    /// Waits for input without using the processor; 0 bytes mean that the input has ended.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConsoleError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // Unmasked, the line ends the wait below; a line that the application attached stays with its handler.
        let mut wait = || wait_for_input(&mut *buffer);
        Line::CONSOLE
            .attach_for(&|_| {}, &mut wait)
            .unwrap_or_else(|_| wait())
            .map_err(ConsoleError)
    }
}

impl ReadReady for Console {
    fn read_ready(&mut self) -> Result<bool, ConsoleError> {
        cpu::without_interrupts(|section| {
            let ahead = AHEAD.borrow(section);
            if ahead.get().is_some() {
                return Ok(true);
            }
            let mut byte = [0];
            match read_available(&mut byte) {
                Ok(0) => Ok(false),
                Ok(_) => {
                    ahead.set(Some(byte[0]));
                    Ok(true)
                }
                Err(Error::EndOfInput) => Ok(true),
                Err(error) => Err(ConsoleError(error)),
            }
        })
    }
}

fn wait_for_input(buffer: &mut [u8]) -> Result<usize, Error> {
    let mut read = Ok(0);
    cpu::idle_until(|_| {
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
    if let Some(byte) = cpu::without_interrupts(|section| AHEAD.borrow(section).take()) {
        *first = byte;
        return Ok(1);
    }
    // SAFETY: the buffer is valid for writes of its length.
    count(unsafe { interface::pv_console_read(buffer.as_mut_ptr(), buffer.len()) })
}

/// Writes all of `bytes` now, after what [`put`] has collected.
///
/// # Errors
/// Whatever the host reports; then some of the text is lost.
pub fn write(bytes: &[u8]) -> Result<(), Error> {
    flush()?;
    write_all(bytes)
}

/// Collects a byte; the text goes to the host at the end of a line, with [`flush`], or before other text.
pub fn put(byte: u8) {
    cpu::without_interrupts(|section| push(section, byte));
}

fn write_all(mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let written = write_some(bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
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
    usize::try_from(number).map_err(|_| Error::from_number(i32::try_from(number).unwrap_or(Error::Device.number())))
}

/// Sends what was collected.
///
/// # Errors
/// Whatever the host reports; then the text is lost.
pub fn flush() -> Result<(), Error> {
    cpu::without_interrupts(send)
}

fn send(section: CriticalSection<'_>) -> Result<(), Error> {
    let length = LENGTH.borrow(section).replace(0);
    // SAFETY: `push` keeps the length within the line, and until interrupts are on again nobody writes there. In place,
    // because the stack may be one of RTEMS' smallest.
    write_all(unsafe { core::slice::from_raw_parts(LINE.borrow(section).get().cast(), length) })
}

/// Where [`print!`](crate::print!) ends. A piece of text is kept together; pieces of a handler may come between the
/// pieces of what it interrupted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineWriter;

impl fmt::Write for LineWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        cpu::without_interrupts(|section| {
            for &byte in text.as_bytes() {
                push(section, byte);
            }
        });
        Ok(())
    }
}

/// Adds a byte to the line.
fn push(section: CriticalSection<'_>, byte: u8) {
    let length = LENGTH.borrow(section);
    let index = length.get();
    // SAFETY: the line is sent when it is full, so the index is below its size; nobody else writes there in this
    // section.
    unsafe { LINE.borrow(section).get().cast::<u8>().add(index).write(byte) };
    length.set(index + 1);
    if byte == b'\n' || index + 1 == LINE_LENGTH {
        // As with the console of `std`, whoever prints does not learn of errors.
        let _ = send(section);
    }
}

#[doc(hidden)]
pub fn print_arguments(arguments: fmt::Arguments<'_>) {
    // `LineWriter` has no errors; one of the arguments' own `Display` ends the text early.
    let _ = fmt::Write::write_fmt(&mut LineWriter, arguments);
    // So that nothing is lost if the guest is stopped by a fault. As with the console of `std`, whoever prints does not
    // learn of errors.
    let _ = flush();
}

/// Prints to the console, like the macro of `std`; the text has gone to the host on return. What the host refuses is
/// lost; [`write()`] says so.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => { $crate::console::print_arguments(::core::format_args!($($arguments)*)) };
}

/// [`print!`](crate::print!) with a newline.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arguments:tt)*) => {
        $crate::console::print_arguments(::core::format_args!("{}\n", ::core::format_args!($($arguments)*)))
    };
}
