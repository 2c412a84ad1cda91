// SPDX-License-Identifier: MIT OR Apache-2.0
//! Error numbers of the interface functions.

/// Makes the type of its errors: what each means, its name, its number, and what it says.
macro_rules! errors {
    ($($(#[$documentation:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why an interface function refused. On the wire it is the negative number of the variant (an `i32`, or an
        /// `isize` where the function returns one); zero and above mean success.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Error {
            $($(#[$documentation])* $name = $number,)*
        }

        impl Error {
            /// Every error, in the order of their numbers.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$name),*];
        }

        impl core::fmt::Display for Error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

errors! {
    /// The host does not offer this function.
    NotOffered = -1, "not offered by this host";
    /// An argument is out of its range.
    InvalidArgument = -2, "invalid argument";
    /// A buffer is not wholly inside the guest's memory.
    BadAddress = -3, "buffer outside guest memory";
    /// No such line, timer or device.
    NoSuchDevice = -4, "no such line, timer or device";
    /// The line is attached already.
    Busy = -5, "line already attached";
    /// The line is not attached.
    NotAttached = -6, "line not attached";
    /// The input has ended; no byte will come any more.
    EndOfInput = -7, "end of input";
    /// The host does not grant this to the guest.
    NotPermitted = -8, "not permitted by the host";
    /// The host's device failed.
    Device = -9, "device error";
}

impl Error {
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

    /// A result on the wire: 0, or the error's number.
    #[must_use]
    pub const fn status(result: Result<(), Self>) -> i32 {
        match result {
            Ok(()) => 0,
            Err(error) => error.number(),
        }
    }
}

impl core::error::Error for Error {}
