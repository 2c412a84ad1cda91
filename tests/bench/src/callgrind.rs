// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions of a function in a guest that runs as an ordinary Linux program, counted by valgrind's callgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSymbol};

use crate::guest;
use test_support::Arch;

/// How often a guest in the mode `count` does what it measures, as in the guests' `COUNT`.
pub const COUNT: u64 = 1000;

/// Returns whether valgrind can run programs of this architecture.
///
/// # Errors
/// It cannot; the message says why.
pub fn available(arch: Arch) -> Result<()> {
    let runs = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .context("valgrind is not installed")?;
    if !runs.success() {
        bail!("valgrind does not run");
    }
    let tool = match arch {
        Arch::I386 => "callgrind-x86-linux",
        _ => "callgrind-amd64-linux",
    };
    let folders = ["/usr/libexec/valgrind", "/usr/lib/valgrind"].map(Path::new);
    if folders.iter().any(|folder| folder.is_dir()) && !folders.iter().any(|folder| folder.join(tool).is_file()) {
        bail!("this valgrind has no {tool}");
    }
    Ok(())
}

/// Instructions executed in `function` of `guest` and in what it calls.
///
/// # Errors
/// Valgrind fails, or the function did not run.
pub fn instructions(arch: Arch, guest: &str, function: &str) -> Result<u64> {
    let path = guest::path(arch, guest)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={}", address(arch, &path, function)?))
        .arg(&path)
        .arg("count")
        .stdin(Stdio::null())
        .output()
        .context("cannot start valgrind")?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{guest} failed under valgrind: {messages}");
    }
    let collected = collected(&messages).with_context(|| format!("valgrind counted nothing in {guest}: {messages}"))?;
    if collected == 0 {
        bail!("{function} did not run in {guest} under valgrind");
    }
    Ok(collected)
}

/// The function's address as callgrind writes it. Valgrind does not read the symbols of a program with a segment of
/// zeroed memory alone, as guests have for their stack, and names functions by address.
fn address(arch: Arch, guest: &Path, function: &str) -> Result<String> {
    let content = std::fs::read(guest)?;
    let file = object::File::parse(content.as_slice())?;
    let symbol = file
        .symbol_by_name(function)
        .with_context(|| format!("no function {function} in {}", guest.display()))?;
    Ok(match arch {
        Arch::I386 => format!("{:#010x}", symbol.address()),
        _ => format!("{:#018x}", symbol.address()),
    })
}

/// The count in the line `==1234== Collected : 567`.
fn collected(messages: &str) -> Option<u64> {
    let line = messages.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found() {
        let messages = "==7== Events    : Ir\n==7== Collected : 2133\n==7== \n";
        assert_eq!(collected(messages), Some(2133));
        assert_eq!(collected("==7== no such line"), None);
    }
}
