// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes out of a check.

use core::fmt;

use paravirt_bsp::Error;
use paravirt_bsp::abi::start::Features;
use paravirt_bsp::external::Table;
use paravirt_bsp::start;

/// What is checked, and the check. Each module has a list of its own.
pub type Check = (&'static str, fn() -> Outcome);

/// `Ok`, or why not.
pub type Outcome = Result<(), Problem>;

/// What a host does not offer that looks for interrupts instead of having them.
pub const ONLY_IN_CALLS: &str = "interrupts come only in calls of the host";

/// Why a check did not pass.
#[derive(Clone, Copy)]
pub enum Problem {
    /// The host cannot give what the check is about.
    NotOffered(&'static str),
    /// The host does something else than it must.
    Failed(Text),
}

impl Problem {
    /// Failed for that reason.
    pub fn failed(detail: fmt::Arguments<'_>) -> Self {
        let mut text = Text {
            bytes: [0; Text::LENGTH],
            length: 0,
        };
        // What does not fit is cut.
        let _ = fmt::Write::write_fmt(&mut text, detail);
        Self::Failed(text)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotOffered => Self::NotOffered("the host says so"),
            Error::NotPermitted => Self::NotOffered("the host does not grant it"),
            other => Self::failed(format_args!("error: {other}")),
        }
    }
}

/// Fails the check if a condition is false.
macro_rules! ensure {
    ($condition:expr, $($detail:tt)*) => {
        if !$condition {
            return Err($crate::check::Problem::failed(core::format_args!($($detail)*)));
        }
    };
}
pub(crate) use ensure;

/// Ends the check as not offered if the host supplies no such function.
pub fn require(function: &'static str) -> Outcome {
    let lazy = start::info().is_some_and(|info| Features::from_bits_retain(info.features).contains(Features::LAZY));
    // A function without an entry was linked into the image, and a lazy host binds at the first call.
    if lazy || Table::of_image().find(function).is_none_or(|entry| entry.is_bound()) {
        Ok(())
    } else {
        Err(Problem::NotOffered("no such function on this host"))
    }
}

/// A short text without an allocator.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; Self::LENGTH],
    length: u8,
}

impl Text {
    const LENGTH: usize = 112;
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let place = self.bytes.get_mut(usize::from(self.length)).ok_or(fmt::Error)?;
            *place = byte;
            self.length += 1;
        }
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or("?"))
    }
}
