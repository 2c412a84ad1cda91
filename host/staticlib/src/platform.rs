// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's callbacks as what a guest stands on.

use core::ffi::c_void;
use core::fmt;

use alloc::boxed::Box;

use paravirt_abi::error;
use paravirt_abi::signature::Signature;
use paravirt_host_core::guest::{self, Frame, Guest};
use paravirt_host_core::image::Access;
use paravirt_host_core::memory::{MapError, Pages};

use crate::argument::{check_size, value};
use crate::error::Error;
use crate::image::rights;
use crate::layout;

/// A copy of `struct pvh_platform`, whose callbacks are all there that have to be.
#[derive(Clone, Copy)]
pub struct Platform {
    context: *mut c_void,
    map: unsafe extern "C" fn(*mut c_void, u64, u64) -> i32,
    protect: unsafe extern "C" fn(*mut c_void, u64, u64, u32) -> i32,
    now: unsafe extern "C" fn(*mut c_void) -> u64,
    wall: unsafe extern "C" fn(*mut c_void) -> u64,
    set_alarm: unsafe extern "C" fn(*mut c_void, u64),
    wait: unsafe extern "C" fn(*mut c_void),
    console_write: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> isize,
    optional: layout::Platform,
}

impl Platform {
    /// Checks and copies.
    ///
    /// # Safety
    /// As the header says.
    pub unsafe fn new(platform: *const layout::Platform) -> Result<Self, Error> {
        // SAFETY: the caller's.
        let platform = unsafe { value(platform, "platform")? };
        check_size(platform.size, size_of::<layout::Platform>(), "platform")?;
        let missing = |name: &str| Error::argument(format_args!("platform.{name} is NULL"));
        Ok(Self {
            context: platform.context,
            map: platform.map.ok_or_else(|| missing("map"))?,
            protect: platform.protect.ok_or_else(|| missing("protect"))?,
            now: platform.now.ok_or_else(|| missing("now"))?,
            wall: platform.wall.ok_or_else(|| missing("wall"))?,
            set_alarm: platform.set_alarm.ok_or_else(|| missing("set_alarm"))?,
            wait: platform.wait.ok_or_else(|| missing("wait"))?,
            console_write: platform.console_write.ok_or_else(|| missing("console_write"))?,
            optional: *platform,
        })
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
        // SAFETY: as the header says.
        mapped("map", unsafe { (self.map)(self.context, start, size) })
    }

    fn protect(&self, start: u64, size: u64, access: Access) -> Result<(), MapError> {
        // SAFETY: as the header says.
        let number = unsafe { (self.protect)(self.context, start, size, rights(access)) };
        mapped("protect", number)
    }

    fn unmap(&self, start: u64, size: u64) {
        if let Some(unmap) = self.optional.unmap {
            // SAFETY: as the header says.
            unsafe { unmap(self.context, start, size) };
        }
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
        // SAFETY: as the header says; so below.
        unsafe { (self.now)(self.context) }
    }

    fn wall(&self) -> u64 {
        // SAFETY: see above.
        unsafe { (self.wall)(self.context) }
    }

    fn set_alarm(&self, deadline: u64) {
        // SAFETY: see above.
        unsafe { (self.set_alarm)(self.context, deadline) };
    }

    fn wait(&self) {
        // SAFETY: see above.
        unsafe { (self.wait)(self.context) };
    }

    fn console_write(&self, bytes: &[u8]) -> Result<usize, error::Error> {
        // SAFETY: see above.
        let taken = unsafe { (self.console_write)(self.context, bytes.as_ptr().cast(), bytes.len()) };
        count(taken, bytes.len())
    }

    fn console_read(&self, buffer: &mut [u8]) -> Result<(usize, bool), error::Error> {
        let Some(read) = self.optional.console_read else {
            return Err(error::Error::EndOfInput);
        };
        let mut more = 0;
        let (to, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: see above.
        let taken = unsafe { read(self.context, to, size, &raw mut more) };
        Ok((count(taken, size)?, more != 0))
    }

    fn set_tls(&self, base: u64) -> Result<(), error::Error> {
        let Some(set_tls) = self.optional.set_tls else {
            return Err(error::Error::NotOffered);
        };
        // SAFETY: see above.
        match unsafe { set_tls(self.context, base) } {
            0.. => Ok(()),
            number => Err(error::Error::from_number(number)),
        }
    }

    fn enter_host(&self) {
        if let Some(enter_host) = self.optional.enter_host {
            // SAFETY: see above.
            unsafe { enter_host(self.context) };
        }
    }

    fn leave_host(&self) {
        if let Some(leave_host) = self.optional.leave_host {
            // SAFETY: see above.
            unsafe { leave_host(self.context) };
        }
    }
}
