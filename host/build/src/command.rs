// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs, with errors that say which.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Has this program end as others do when its output cannot be written: by the signal if nobody reads it any more, such
/// as `head`; with a message and status 1, as on a full disk; and without a panic. To be called before any thread is
/// started.
pub fn end_with_its_output() {
    // SAFETY: the default action of a signal; no handler is set, and no other thread sets one.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // What `println!` and its kin say when they cannot write; what they print on standard error is said of failures
        // only.
        let said = panic.payload().downcast_ref::<String>();
        let said = said.map_or("", String::as_str);
        if said.starts_with("failed printing to std") {
            let _ = writeln!(std::io::stderr(), "error: {said}");
            std::process::exit(1);
        }
        next(panic);
    }));
}

/// What a program ends with: whether it succeeded. It has said what did not, unless that is the error.
pub fn exit_code(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The cargo that started this program.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// The first file of that name in the folders of `PATH`.
pub fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs `command` with this program's output; an exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", name(command));
    }
    Ok(())
}

/// Runs `command` and returns what it prints; an exit status other than 0 is an error that holds its messages.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}\n{}",
            name(command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of {} is not UTF-8", name(command)))
}

/// Runs `command` with that input; what it prints is in the output.
pub fn feed(command: &mut Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it has read everything; what it printed tells.
        let _ = stdin.write_all(input);
    }
    Ok(child.wait_with_output()?)
}

/// `command` under `timeout` of coreutils, which stops it and everything it has started after `limit`.
pub fn limited(command: &Command, limit: Duration) -> Command {
    let mut timeout = Command::new("timeout");
    timeout
        .arg("--kill-after=5")
        .arg(limit.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timeout.env(name, value),
            None => timeout.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        timeout.current_dir(folder);
    }
    timeout
}

/// The program and its first argument, as in messages: `cargo build`.
pub fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args().next());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` and hands over each line that it prints, messages and output in their order.
pub fn each_line(command: &mut Command, mut take: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    // The command holds our ends of the pipe; with them open the lines would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        take(&String::from_utf8_lossy(&line?));
    }
    Ok(child.wait()?)
}

/// Runs a `cargo rustc` of one program with `--message-format=json-render-diagnostics`; the program. The compiler's
/// messages are on standard error.
///
/// # Errors
/// `what` does not build.
pub fn build_program(cargo: &mut Command, what: &str) -> Result<PathBuf> {
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{what} does not build");
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    executable(&messages).with_context(|| format!("cargo built no program for {what}"))
}

/// The program that was built, from what cargo prints with `--message-format=json`.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\n",
            "not a message\n",
            "{\"reason\":\"compiler-artifact\",\"executable\":\"/t/hello\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/hello")));
        assert_eq!(executable("{\"executable\":null}"), None);
    }

    /// Says what becomes of its streams in the program that the next test starts: this one, once more.
    const PRINTER: &str = "PARAVIRT_TEST_PRINTER";

    #[test]
    fn output_that_cannot_be_written_is_an_error_and_no_panic() {
        if let Ok(streams) = std::env::var(PRINTER) {
            print_to(&streams);
        }
        let printed = |streams: &str| {
            let mut again = Command::new(std::env::current_exe().expect("this program"));
            let name = "command::tests::output_that_cannot_be_written_is_an_error_and_no_panic";
            again.args(["--exact", name, "--nocapture"]);
            again.env(PRINTER, streams).stdin(Stdio::null());
            let output = again.output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status, said)
        };
        let (status, said) = printed("as they are");
        assert_eq!((status.code(), said.as_str()), (Some(7), "message\n"));
        let (status, said) = printed("output is full");
        let error = "error: failed printing to stdout: No space left on device (os error 28)\n";
        assert_eq!((status.code(), said.as_str()), (Some(1), error));
        let (status, _) = printed("messages are full");
        assert_eq!(status.code(), Some(1));
        let (status, said) = printed("output is closed");
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!((signal, said.as_str()), (Some(libc::SIGPIPE), ""));
    }

    /// Prints a line of output and one of messages, and ends with status 7.
    fn print_to(streams: &str) -> ! {
        use std::os::fd::{AsRawFd, OwnedFd};
        let full = || -> OwnedFd {
            let full = std::fs::File::options().write(true).open("/dev/full");
            full.expect("there is a /dev/full").into()
        };
        let replaced = match streams {
            "output is full" => Some((1, full())),
            "messages are full" => Some((2, full())),
            "output is closed" => Some((1, std::io::pipe().expect("a pipe").1.into())),
            _ => None,
        };
        if let Some((number, file)) = replaced {
            // SAFETY: no pointers; both are open.
            unsafe { libc::dup2(file.as_raw_fd(), number) };
        }
        end_with_its_output();
        println!("output");
        eprintln!("message");
        std::process::exit(7);
    }

    #[test]
    fn a_limited_command_keeps_its_environment_and_folder() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $PARAVIRT_TEST $PWD"])
            .env("PARAVIRT_TEST", "kept")
            .current_dir("/");
        let printed = output(&mut limited(&command, Duration::from_secs(60))).expect("sh runs");
        assert_eq!(printed.trim(), "kept /");
    }

    #[test]
    fn input_goes_in_and_output_and_status_come_out() {
        let output = feed(Command::new("sh").args(["-c", "cat; exit 3"]), b"in").expect("starts");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"in"[..], Some(3)));
    }

    #[test]
    fn output_and_messages_come_in_their_order() {
        let mut seen = Vec::new();
        let status = each_line(
            Command::new("sh").args(["-c", "echo a; echo b >&2; echo c; exit 7"]),
            |line| seen.push(line.to_owned()),
        )
        .expect("starts");
        assert_eq!(seen, ["a", "b", "c"]);
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn what_does_not_end_is_stopped_with_its_children() {
        let endless = {
            let mut sh = Command::new("sh");
            sh.args(["-c", "echo begun; sleep 1000 & sleep 1000"]);
            sh
        };
        let mut seen = Vec::new();
        let status = each_line(&mut limited(&endless, Duration::from_secs(1)), |line| {
            seen.push(line.to_owned());
        })
        .expect("starts");
        assert_eq!(seen, ["begun"]);
        assert_eq!(status.code(), Some(124));
    }

    #[test]
    fn a_failure_names_the_program_and_its_messages() {
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 1"])).expect_err("exit status 1");
        let error = error.to_string();
        assert!(error.contains("sh -c") && error.contains("broken"), "{error}");
    }
}
