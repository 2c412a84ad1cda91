// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's last words on the debug console.

use super::MachineEnd;

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
