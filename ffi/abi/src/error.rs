// SPDX-License-Identifier: MIT OR Apache-2.0
//! Error numbers of the interface functions.

/// Why an interface function refused. On the wire it is the negative number of the variant (an `i32`, or an `isize`
/// where the function returns one); zero and above mean success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Error {
    /// The host does not offer this function.
    NotOffered = -1,
    /// An argument is out of its range.
    InvalidArgument = -2,
    /// A buffer is not wholly inside the guest's memory.
    BadAddress = -3,
    /// No such line, timer or device.
    NoSuchDevice = -4,
    /// The line is attached already.
    Busy = -5,
    /// The line is not attached.
    NotAttached = -6,
    /// The input has ended; no byte will come any more.
    EndOfInput = -7,
    /// The host does not grant this to the guest.
    NotPermitted = -8,
    /// The host's device failed.
    Device = -9,
}

impl Error {
    /// Every error, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::NotOffered,
        Self::InvalidArgument,
        Self::BadAddress,
        Self::NoSuchDevice,
        Self::Busy,
        Self::NotAttached,
        Self::EndOfInput,
        Self::NotPermitted,
        Self::Device,
    ];

    /// The number on the wire, always negative.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The error of a negative number; numbers that version 1 does not know count as [`Error::Device`].
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        Self::ALL
            .into_iter()
            .find(|error| error.number() == number)
            .unwrap_or(Self::Device)
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "not offered by this host",
            Self::InvalidArgument => "invalid argument",
            Self::BadAddress => "buffer outside guest memory",
            Self::NoSuchDevice => "no such line, timer or device",
            Self::Busy => "line already attached",
            Self::NotAttached => "line not attached",
            Self::EndOfInput => "end of input",
            Self::NotPermitted => "not permitted by the host",
            Self::Device => "device error",
        })
    }
}

impl core::error::Error for Error {}
