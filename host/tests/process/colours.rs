// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is for terminals and what is not: colours are, but for those who do not want them; a binary is not.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::guests::{Arch, guest, text};

/// What the program says on a terminal with these settings in its environment.
fn on_a_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("a terminal");
    unlockpt(&ours).expect("a terminal");
    let narrow = Winsize {
        ws_row: 25,
        ws_col: 70,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, narrow).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("a terminal");
    let name = Path::new(name.to_str().expect("a path")).to_owned();
    let open = || {
        let terminal = File::options().read(true).write(true).open(&name);
        Stdio::from(terminal.expect("a terminal"))
    };
    let mut command = plain(arguments);
    command.envs(environment.iter().copied()).stdout(open()).stderr(open());
    let mut child = command.spawn().expect("pvhost starts");
    // Ours is closed with it, so that the terminal ends with the program.
    drop(command);
    let mut said = Vec::new();
    // The end of a terminal is an error (EIO).
    let _ = File::from(ours).read_to_end(&mut said);
    child.wait().expect("it ends");
    text(&said)
}

/// The program, whatever the terminal of whoever runs the tests.
fn plain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    command.args(arguments).stdin(Stdio::null());
    // A continuous integration is taken for a terminal with colours, whatever it says of itself.
    for variable in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm");
    command
}

#[test]
fn colours_are_for_terminals_and_those_who_want_them() {
    let hello = guest(Arch::X86_64, "hello");
    let hello = hello.to_str().expect("a plain name");
    for arguments in [
        &["list", hello][..],
        &["check", hello, "--host", "process"],
        &["list", "/no/such/guest"],
        &["list"],
        &["run", "--help"],
        &["run", hello, "--unknown"],
    ] {
        let coloured = on_a_terminal(arguments, &[]);
        assert!(coloured.contains("\u{1b}["), "{arguments:?}: {coloured}");
        for setting in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let said = on_a_terminal(arguments, &[setting]);
            assert!(!said.contains('\u{1b}'), "{arguments:?} {setting:?}: {said}");
        }
        let output = plain(arguments).output().expect("pvhost starts");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.is_empty() && !said.contains('\u{1b}'), "{arguments:?}: {said}");
    }
    // JSON is not for people.
    let said = on_a_terminal(&["list", hello, "--json"], &[]);
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_result_that_is_no_text_is_not_written_to_a_terminal() {
    let hello = guest(Arch::X86_64, "hello");
    let hello = hello.to_str().expect("a plain name");
    let list = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&list, "pv_console_write @ 0x1000\npv_shutdown @ 0x1010\n").expect("ours");
    let list = list.path().to_str().expect("a plain name");
    for name in ["-", "/dev/stdout"] {
        let said = on_a_terminal(&["bind", hello, "--provides", list, "-o", name], &[]);
        let refusal = format!("{name} is a terminal, and the result is no text");
        assert!(said.contains(&refusal), "{said}");
        assert!(!said.contains("ELF"), "{said}");
        let said = on_a_terminal(&["header", hello, "-o", name], &[]);
        assert!(said.contains("#pragma once"), "{said}");
    }
}

#[test]
fn help_is_as_wide_as_the_terminal() {
    let said = on_a_terminal(&["run", "--help"], &[("NO_COLOR", "1")]);
    let breakable = said.lines().filter(|line| !line.contains("pvhost run "));
    let widest = breakable.map(|line| line.trim_end().chars().count()).max();
    assert!((60..=70).contains(&widest.expect("help")), "{said}");
}
