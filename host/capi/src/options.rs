// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest is to be given: the options from C, checked.

use std::ffi::c_char;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Builder, Console, DEFAULT_MEMORY, SandboxPolicy, Steps, Time, Vm};

use crate::argument::{Error, Number, optional_text, text};
use crate::functions::{self, Failure, FunctionOfC};

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

impl OptionsOfC {
    /// Checks them, and gets what is needed of the system. What it returns makes the guest of them, on its thread; why
    /// it ended goes to the failure, if that was by a mistake of a callback.
    ///
    /// # Safety
    /// As the header says.
    pub unsafe fn check(&self) -> Result<impl FnOnce(&Failure) -> Builder + Send + use<>, Error> {
        if self.size != size_of::<OptionsOfC>() {
            return Err(Error::argument(format_args!(
                "options.size is {}, this library's structure has {} bytes; set it to sizeof, and compile the program \
                 with the library's own vm.h",
                self.size,
                size_of::<OptionsOfC>()
            )));
        }
        if self.flags & !KNOWN != 0 || self.reserved != 0 {
            return Err(Error::argument(format_args!(
                "options.flags {:#x} or options.reserved holds what this library does not know; set the structure to \
                 zero first",
                self.flags
            )));
        }
        // SAFETY: the caller's.
        let (path, command_line, time) = unsafe {
            (
                text(self.image, "options.image")?,
                optional_text(self.command_line, "options.command_line")?.unwrap_or_default(),
                optional_text(self.time, "options.time")?.unwrap_or("real"),
            )
        };
        let time: Time = time
            .parse()
            .map_err(|error| Error::argument(format_args!("options.time {time:?}: {error}")))?;
        let image = Image::open(path.as_ref()).map_err(|error| Error::new(Number::Image, error))?;
        // SAFETY: the caller's.
        let functions = unsafe { functions::all(self.functions, self.function_count, image.machine().width())? };
        let flags = self.flags;
        let has = move |flag| flags & flag != 0;
        let command_line = command_line.to_owned();
        let memory = match self.memory {
            0 => DEFAULT_MEMORY,
            bytes => bytes,
        };
        let timeout = self.timeout;
        let time = if has(SEED) { seeded(time, self.seed)? } else { time };
        // SAFETY: the caller's.
        let console = has(CONSOLE).then(|| unsafe { console(self) }).transpose()?;
        Ok(move |failure: &Failure| {
            let mut builder = Vm::builder(image)
                .command_line(command_line)
                .memory(memory)
                .executable_memory(has(EXECUTABLE_MEMORY))
                .time(time);
            if timeout != 0 {
                builder = builder.timeout(Duration::from_nanos(timeout));
            }
            if let Some(console) = console {
                builder = builder.console(console);
            }
            if has(SANDBOX) {
                builder = builder.sandbox(SandboxPolicy::new());
            }
            (functions.into_iter()).fold(builder, |builder, function| {
                function.provide(builder, Failure::clone(failure))
            })
        })
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
