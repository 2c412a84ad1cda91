// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host as others write it for their programs: one function of the C ABI in a shared library.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::error::Error;
use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Console, Vm};

/// Beside the image, in bytes: little, since a program that loads this may itself lie in low memory.
const MEMORY: u64 = 1 << 20;

/// Runs that guest with that command line for so long at most. Its status, as of `pvhost run`; -1 if it could not be
/// started.
///
/// # Safety
/// Both are texts that end with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn loaded_host_run(
    guest: *const c_char,
    command_line: *const c_char,
    milliseconds: u32,
) -> c_int {
    // SAFETY: the caller's.
    let [guest, command_line] = [guest, command_line].map(|text| unsafe { CStr::from_ptr(text) });
    let limit = Duration::from_millis(milliseconds.into());
    match run(guest, command_line, limit) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("{error}");
            -1
        }
    }
}

fn run(guest: &CStr, command_line: &CStr, limit: Duration) -> Result<u8, Box<dyn Error>> {
    let console = Console::new(File::open("/dev/null")?, File::create("/dev/null")?);
    let finished = Vm::builder(Image::open(guest.to_str()?.as_ref())?)
        .command_line(command_line.to_str()?)
        .memory(MEMORY)
        .console(console)
        .handle_signals(true)
        .timeout(limit)
        .build()?
        .run()?;
    Ok(finished.exit.status())
}
