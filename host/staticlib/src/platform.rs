// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's callbacks as what a guest stands on.

use core::fmt;

use alloc::boxed::Box;

use paravirt_abi::error;
use paravirt_abi::signature::Signature;
use paravirt_host_core::guest::{self, Frame, Guest};
use paravirt_host_core::image::Access;
use paravirt_host_core::memory::{MapError, Pages};

use crate::argument::{Error, check_size, there};
use crate::image::rights;
use crate::layout;

/// A copy of `struct pvh_platform`, whose callbacks are all there that have to be.
#[derive(Clone, Copy)]
pub struct Platform(layout::Platform);

/// Calls a callback; `None`: the host has not given it, as it may.
macro_rules! call {
    ($platform:ident.$callback:ident($($argument:expr),*)) => {
        // SAFETY: as the header says of it.
        $platform.0.$callback.map(|callback| unsafe { callback($platform.0.context, $($argument),*) })
    };
}

/// Calls a callback that has to be there.
macro_rules! demand {
    ($($call:tt)*) => { call!($($call)*).expect("the platform was checked") };
}

impl Platform {
    /// Checks and copies.
    ///
    /// # Safety
    /// As the header says.
    pub unsafe fn new(platform: *const layout::Platform) -> Result<Self, Error> {
        // SAFETY: the caller's.
        let platform = there(unsafe { platform.as_ref() }, "platform")?;
        check_size(platform.size, size_of::<layout::Platform>(), "platform")?;
        for (name, is_there) in [
            ("map", platform.map.is_some()),
            ("protect", platform.protect.is_some()),
            ("now", platform.now.is_some()),
            ("wall", platform.wall.is_some()),
            ("set_alarm", platform.set_alarm.is_some()),
            ("wait", platform.wait.is_some()),
            ("console_write", platform.console_write.is_some()),
        ] {
            if !is_there {
                return Err(Error::argument(format_args!("platform.{name} is NULL")));
            }
        }
        Ok(Self(*platform))
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

/// The number by which a callback refused.
#[derive(Clone, Copy, Debug)]
struct Refused {
    callback: &'static str,
    number: i32,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the host's platform returned {}", self.callback, self.number)
    }
}

impl core::error::Error for Refused {}

/// The result of a callback that maps.
fn mapped(callback: &'static str, number: i32) -> Result<(), MapError> {
    if number >= 0 {
        return Ok(());
    }
    Err(MapError::System(Box::new(Refused { callback, number })))
}

// SAFETY: the header asks the host for what the trait asks for.
unsafe impl Pages for Platform {
    fn map(&self, start: u64, size: u64) -> Result<(), MapError> {
        mapped("map", demand!(self.map(start, size)))
    }

    fn protect(&self, start: u64, size: u64, access: Access) -> Result<(), MapError> {
        mapped("protect", demand!(self.protect(start, size, rights(access))))
    }

    fn unmap(&self, start: u64, size: u64) {
        call!(self.unmap(start, size));
    }
}

/// A number of bytes, at most `size`, or an error as a negative number.
fn count(number: isize, size: usize) -> Result<usize, error::Error> {
    match usize::try_from(number) {
        Ok(count) if count <= size => Ok(count),
        Ok(_) => Err(error::Error::Device),
        Err(_) => Err(error::Error::from_number(i32::try_from(number).unwrap_or(i32::MIN))),
    }
}

/// The address of a host function.
pub struct Address(pub usize);

impl guest::Platform for Platform {
    type Function = Address;

    fn call(_: &Guest<Self>, function: &Address, prototype: Signature, frame: &mut Frame, _: u64) {
        // SAFETY: who made the table of functions vouches for the prototype, which is the guest's as well; the guest is
        // of the host's width, and its arguments are readable.
        unsafe { guest::call_c(function.0, frame, prototype) };
    }

    fn now(&self) -> u64 {
        demand!(self.now())
    }

    fn wall(&self) -> u64 {
        demand!(self.wall())
    }

    fn set_alarm(&self, deadline: u64) {
        demand!(self.set_alarm(deadline));
    }

    fn wait(&self) {
        demand!(self.wait());
    }

    fn console_write(&self, bytes: &[u8]) -> Result<usize, error::Error> {
        count(
            demand!(self.console_write(bytes.as_ptr().cast(), bytes.len())),
            bytes.len(),
        )
    }

    fn console_read(&self, buffer: &mut [u8]) -> Result<(usize, bool), error::Error> {
        let (mut more, size) = (0, buffer.len());
        let taken = call!(self.console_read(buffer.as_mut_ptr().cast(), size, &raw mut more));
        Ok((count(taken.ok_or(error::Error::EndOfInput)?, size)?, more != 0))
    }

    fn set_tls(&self, base: u64) -> Result<(), error::Error> {
        match call!(self.set_tls(base)) {
            None => Err(error::Error::NotOffered),
            Some(0..) => Ok(()),
            Some(number) => Err(error::Error::from_number(number)),
        }
    }

    fn enter_host(&self) {
        call!(self.enter_host());
    }

    fn leave_host(&self) {
        call!(self.leave_host());
    }
}
