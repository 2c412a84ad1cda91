// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a guest ended, and its last words on the debug console.

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEnd {
    /// It is done; its exit status.
    Exit(i32),
    /// It asked for a reset.
    Reset,
    /// It could not go on; its own code.
    Fatal(i32),
    /// It did what it may not, as it reported itself or Xen did.
    Fault,
    /// It ran longer than it was given.
    Timeout,
    /// The host was asked to end by this signal.
    Signal(i32),
    /// Its machine has ended, and it has not said how it ended: what is known instead.
    Unknown(String),
}

impl MachineEnd {
    /// Returns whether a core is due: it is no exit, and not for want of a reader of its output.
    #[must_use]
    pub const fn leaves_core(&self) -> bool {
        !matches!(self, Self::Exit(_) | Self::Signal(libc::SIGPIPE))
    }

    /// The exit status of `pvhost run`, the same as on the process host.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Exit(code) => *code as u8,
            Self::Unknown(_) => 1,
            Self::Fatal(_) => 3,
            Self::Reset => 4,
            Self::Fault => 5,
            Self::Timeout => 124,
            Self::Signal(signal) => 128 | *signal as u8,
        }
    }
}

/// The end that the line `paravirt: shutdown REASON CODE` tells; `None`: another line.
pub(super) fn parse(line: &str) -> Option<MachineEnd> {
    let words = line.strip_prefix("paravirt: shutdown ")?;
    let (reason, code) = words.split_once(' ')?;
    let code = code.parse().ok()?;
    match reason {
        "exit" => Some(MachineEnd::Exit(code)),
        "reset" => Some(MachineEnd::Reset),
        "fatal" => Some(MachineEnd::Fatal(code)),
        "fault" => Some(MachineEnd::Fault),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_an_end_with_a_status() {
        for (line, end, status) in [
            ("exit 0", MachineEnd::Exit(0), 0),
            ("exit 263", MachineEnd::Exit(263), 7),
            ("exit -1", MachineEnd::Exit(-1), 255),
            ("fatal 9", MachineEnd::Fatal(9), 3),
            ("reset 0", MachineEnd::Reset, 4),
            ("fault 14", MachineEnd::Fault, 5),
        ] {
            let parsed = parse(&format!("paravirt: shutdown {line}")).expect(line);
            assert_eq!((parsed.status(), parsed), (status, end), "{line}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "paravirt: shutdown",
            "paravirt: shutdown exit",
            "paravirt: shutdown exit 1x",
            "paravirt: shutdown exit 4294967296",
            "paravirt: shutdown sleep 1",
            " paravirt: shutdown exit 1",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
