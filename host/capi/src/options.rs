// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest is to be given: the options from C, checked.

use std::ffi::c_char;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Builder, Console, DEFAULT_MEMORY, SandboxPolicy, Steps, Time, Vm};

use crate::argument::{optional_text, text};
use crate::error::{Error, Number};
use crate::functions::{self, Failure, Function, FunctionOfC};

/// `PARAVIRT_VM_*`, the flags.
const CONSOLE: u32 = 1 << 0;
const SEED: u32 = 1 << 1;
const SANDBOX: u32 = 1 << 2;
const EXECUTABLE_MEMORY: u32 = 1 << 3;
const KNOWN: u32 = CONSOLE | SEED | SANDBOX | EXECUTABLE_MEMORY;

/// A file descriptor in its place: nothing to read, and nobody who reads.
const NONE: RawFd = -1;

/// `struct paravirt_vm_options`
#[repr(C)]
pub struct OptionsOfC {
    size: usize,
    image: *const c_char,
    command_line: *const c_char,
    memory: u64,
    timeout: u64,
    time: *const c_char,
    seed: u64,
    flags: u32,
    input: i32,
    output: i32,
    reserved: i32,
    functions: *const FunctionOfC,
    function_count: usize,
}

/// The same, with all that was needed of the system.
pub struct Options {
    image: Image,
    command_line: String,
    memory: u64,
    timeout: Option<Duration>,
    time: Time,
    console: Option<Console>,
    sandbox: bool,
    executable_memory: bool,
    functions: Vec<Function>,
}

impl Options {
    /// # Safety
    /// As the header says.
    pub unsafe fn new(options: &OptionsOfC) -> Result<Self, Error> {
        if options.size != size_of::<OptionsOfC>() {
            return Err(Error::argument(format_args!(
                "options.size is {}, this library's structure has {} bytes; set it to sizeof, and compile the program \
                 with the library's own vm.h",
                options.size,
                size_of::<OptionsOfC>()
            )));
        }
        if options.flags & !KNOWN != 0 || options.reserved != 0 {
            return Err(Error::argument(format_args!(
                "options.flags {:#x} or options.reserved holds what this library does not know; set the structure to \
                 zero first",
                options.flags
            )));
        }
        // SAFETY: the caller's.
        let (path, command_line, time) = unsafe {
            (
                text(options.image, "options.image")?,
                optional_text(options.command_line, "options.command_line")?.unwrap_or_default(),
                optional_text(options.time, "options.time")?.unwrap_or("real"),
            )
        };
        let time: Time = time
            .parse()
            .map_err(|error| Error::argument(format_args!("options.time {time:?}: {error}")))?;
        let image = Image::open(path.as_ref()).map_err(|error| Error::new(Number::Image, error))?;
        // SAFETY: the caller's.
        let functions = unsafe { functions::all(options.functions, options.function_count, image.machine().width())? };
        let has = |flag| options.flags & flag != 0;
        Ok(Self {
            image,
            command_line: command_line.to_owned(),
            memory: match options.memory {
                0 => DEFAULT_MEMORY,
                bytes => bytes,
            },
            timeout: (options.timeout != 0).then(|| Duration::from_nanos(options.timeout)),
            time: if has(SEED) { seeded(time, options.seed)? } else { time },
            // SAFETY: the caller's.
            console: has(CONSOLE).then(|| unsafe { console(options) }).transpose()?,
            sandbox: has(SANDBOX),
            executable_memory: has(EXECUTABLE_MEMORY),
            functions,
        })
    }

    /// The guest of these options; why it ended goes to `failure`, if that was by a mistake of a callback.
    pub fn build(self, failure: &Failure) -> Builder {
        let mut builder = Vm::builder(self.image)
            .command_line(self.command_line)
            .memory(self.memory)
            .executable_memory(self.executable_memory)
            .time(self.time);
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(console) = self.console {
            builder = builder.console(console);
        }
        if self.sandbox {
            builder = builder.sandbox(SandboxPolicy::new());
        }
        for function in self.functions {
            builder = function.provide(builder, Failure::clone(failure));
        }
        builder
    }
}

fn seeded(time: Time, seed: u64) -> Result<Time, Error> {
    match time {
        Time::Steps(steps) => Ok(Time::Steps(Steps::with_seed(steps, seed))),
        other => Err(Error::argument(format_args!(
            "PARAVIRT_VM_SEED is for guest time in steps, and options.time is {other}; set that to \"steps\""
        ))),
    }
}

/// # Safety
/// The descriptors are the caller's.
unsafe fn console(options: &OptionsOfC) -> Result<Console, Error> {
    // SAFETY: the caller's.
    let input = unsafe { descriptor(options.input, "options.input", || File::open("/dev/null"))? };
    let to_nobody = || OpenOptions::new().write(true).open("/dev/null");
    // SAFETY: the caller's.
    let output = unsafe { descriptor(options.output, "options.output", to_nobody)? };
    Ok(Console::new(input, output))
}

/// A descriptor of the library's own for the same file.
///
/// # Safety
/// Nobody closes the descriptor meanwhile.
unsafe fn descriptor(
    descriptor: RawFd,
    name: &str,
    nothing: impl FnOnce() -> io::Result<File>,
) -> Result<OwnedFd, Error> {
    let refused = |error| Error::argument(format_args!("{name} {descriptor}: {error}"));
    if descriptor == NONE {
        let nothing = nothing().map_err(|error| Error::new(Number::System, format_args!("/dev/null: {error}")))?;
        return Ok(nothing.into());
    }
    if descriptor < 0 {
        return Err(refused(io::Error::from_raw_os_error(9)));
    }
    // SAFETY: it is not -1; if it is not open, that is an error.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    borrowed.try_clone_to_owned().map_err(refused)
}
