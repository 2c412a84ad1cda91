// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs, with errors that say which.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Has this program end as others do when nobody reads its output any more, such as `head`: by the signal, without a panic. To be called
/// before any thread is started.
pub fn end_with_the_reader() {
    // SAFETY: the default action of a signal; no handler is set, and no other thread sets one.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
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
    String::from_utf8(output.stdout)
        .with_context(|| format!("the output of {} is not UTF-8", name(command)))
}

/// Whether `command` can be started and succeeds, its output unseen.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
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
    let program = std::path::Path::new(command.get_program());
    let mut name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    if let Some(first) = command.get_args().next() {
        name.push(' ');
        name.push_str(&first.to_string_lossy());
    }
    name
}

/// Runs `command` and hands over each line that it prints, messages and output in their order.
pub fn lines(command: &mut Command, mut take: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
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

/// Runs a `cargo rustc` of one program with `--message-format=json-render-diagnostics`; the program. The compiler's messages are on standard error.
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
    fn output_and_messages_come_in_their_order() {
        let mut seen = Vec::new();
        let status = lines(
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
        let status = lines(&mut limited(&endless, Duration::from_secs(1)), |line| {
            seen.push(line.to_owned());
        })
        .expect("starts");
        assert_eq!(seen, ["begun"]);
        assert_eq!(status.code(), Some(124));
    }

    #[test]
    fn a_failure_names_the_program_and_its_messages() {
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 1"]))
            .expect_err("exit status 1");
        let error = error.to_string();
        assert!(
            error.contains("sh -c") && error.contains("broken"),
            "{error}"
        );
    }
}
