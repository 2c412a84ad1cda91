// SPDX-License-Identifier: MIT OR Apache-2.0
//! A core of a guest that has ended.

use std::path::PathBuf;

use paravirt_host_core::fault::{AnyRegisters, Cause, Exception, Registers};

use super::platform::Guest;
use super::run::Exit;
use crate::debug::core::{Area, Core, CoreError, CoreFile, Ending, Thread, threads};
use crate::image::Image;

/// The number of the one thread of a guest without tasks.
const THREAD: u32 = 1;

/// `si_code` of an access where the guest may not (Linux, asm-generic/siginfo.h), and of other exceptions.
const SEGV_ACCERR: i32 = 2;
const SI_KERNEL: i32 = 0x80;

/// Writes it; the file's name. The guest, of that image, has been left.
pub(super) fn write(
    guest: &Guest,
    image: &Image,
    command_line: &str,
    exit: &Exit,
    file: CoreFile,
) -> Result<PathBuf, CoreError> {
    let left = guest.left(image);
    let running = Thread {
        id: THREAD,
        registers: left.map_or_else(Registers::default, |left| match left.registers {
            AnyRegisters::X86(registers) => registers,
            AnyRegisters::Aarch64(_) => unreachable!("a core of such a guest is refused"),
        }),
        units: left.and_then(|left| left.units),
        fs_base: guest.platform().thread_pointer.base(),
    };
    let memory = guest.memory();
    let areas = guest.own_mappings().map(|(range, access)| Area { range, access });
    let core = Core {
        image,
        command_line,
        threads: threads(image, memory, running),
        areas: areas.collect(),
        ending: ending(guest, exit),
    };
    let path = file.path().to_owned();
    core.write(memory, file).map(|()| path)
}

/// The signal by which a process would have ended so.
fn ending(guest: &Guest, exit: &Exit) -> Ending {
    let signal = match *exit {
        Exit::Signal(signal) => signal,
        Exit::Timeout => libc::SIGXCPU,
        Exit::Fault(_) => match guest.fault_record().map(|record| record.cause()) {
            Some(Cause::Exception(exception)) => return exceptional(exception),
            Some(Cause::SystemCall(_)) => libc::SIGSYS,
            _ => libc::SIGSEGV,
        },
        Exit::Exit(_) | Exit::Reset | Exit::Fatal(_) | Exit::Unbound(_) => libc::SIGABRT,
    };
    Ending::by(signal)
}

fn exceptional(exception: Exception) -> Ending {
    let (signal, code, address) = match exception {
        Exception::BadAccess { address, .. } => (libc::SIGSEGV, SEGV_ACCERR, address),
        Exception::StackFault | Exception::AlignmentCheck => (libc::SIGBUS, SI_KERNEL, 0),
        Exception::GeneralProtection | Exception::Overflow | Exception::OutOfBounds | Exception::Other(_) => {
            (libc::SIGSEGV, SI_KERNEL, 0)
        }
        Exception::IllegalInstruction => (libc::SIGILL, SI_KERNEL, 0),
        Exception::Arithmetic => (libc::SIGFPE, SI_KERNEL, 0),
        Exception::Breakpoint => (libc::SIGTRAP, SI_KERNEL, 0),
        Exception::SystemCall => (libc::SIGSYS, SI_KERNEL, 0),
    };
    Ending { signal, code, address }
}
