// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder that looks to commands as the project does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use snapbox::IntoData;
use tempfile::TempDir;
use test_support::Arch;

use crate::block::{Block, Step};

/// Time for a command, in seconds.
const LIMIT: &str = "300";
/// What `cargo xtask demo` says of itself below the commands that it shows.
const SAID_BY_DEMO: [&str; 2] = ["(output and exit status are as expected)", "demo: ok"];

/// The folder; gone when the block has run.
pub struct Folder(TempDir);

impl Folder {
    /// One with the project's sources, what `cargo xtask` builds, and `pvhost` in the path.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let workspace = test_support::workspace();
        let link = |to: PathBuf, name: &str| {
            let from = folder.path().join(name);
            fs::create_dir_all(from.parent().expect("below the folder")).expect("a folder");
            symlink(to, from).expect("a link");
        };
        for name in ["examples", "ffi"] {
            link(workspace.root().join(name), name);
        }
        for arch in [Arch::X86_64, Arch::I386] {
            let guests = test_support::guest(arch, "hello");
            let guests = guests.parent().expect("guests lie in a folder");
            link(guests.into(), &format!("target/guests/{}", arch.name()));
        }
        link(workspace.hosts(), "target/hosts");
        for name in ["target/release/pvhost", "bin/pvhost"] {
            link(env!("CARGO_BIN_EXE_pvhost").into(), name);
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the commands of a block one after the other.
    ///
    /// # Errors
    /// The difference between what one printed and what the document shows.
    pub fn runs(&self, block: &Block) -> Result<(), String> {
        for step in &block.steps {
            let place = || format!("{}:{}: $ {}", block.document, block.line, step.command);
            self.step(block, step)
                .map_err(|why| format!("{}\n{why}", place()))?;
        }
        Ok(())
    }

    fn step(&self, block: &Block, step: &Step) -> Result<(), String> {
        if step.command.starts_with("cargo xtask ") {
            return self.task(step);
        }
        self.bring_for(block, step)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("timeout")
            .args([LIMIT, "sh", "-c"])
            // As on a console, errors stand among the rest.
            .arg(format!("{{ {}\n}} 2>&1", step.command))
            .current_dir(self.path())
            .env("PATH", format!("{}/bin:{path}", self.path().display()))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&output.stdout);
        same(&printed, &step.printed)
    }

    /// What a task makes was made before the tests: it is where the task says.
    fn task(&self, step: &Step) -> Result<(), String> {
        match step.command.as_str() {
            // Compares what its two guests print itself; they are in this block, too.
            "cargo xtask demo" => Ok(()),
            "cargo xtask hosts" => {
                for arch in [Arch::X86_64, Arch::I386] {
                    for name in ["libparavirt_host.a", "c-host"] {
                        let _ = test_support::c_host(arch, name);
                    }
                }
                let missing = |line: &&str| !self.path().join(line).is_file();
                match step.printed.lines().find(missing) {
                    Some(line) => Err(format!("there is no {line}")),
                    None => Ok(()),
                }
            }
            _ => Err("nobody knows how to compare this task".to_owned()),
        }
    }

    /// Sees that what the command needs is there.
    fn bring_for(&self, block: &Block, step: &Step) -> Result<(), String> {
        for word in step.command.split_whitespace() {
            for arch in Arch::ALL {
                let guests = format!("target/guests/{}/", arch.name());
                if let Some(name) = word.strip_prefix(&guests) {
                    let _ = test_support::guest(arch, name);
                }
            }
        }
        if step.command.contains("--host qemu") || step.command.contains("--host xen") {
            let _ = test_support::ring0_guest(Arch::X86_64, "hello");
            let _ = test_support::qemu();
        }
        if step.command.contains("--host xen") {
            let _ = test_support::xen();
        }
        // Files that a document only shows, or whose origin it leaves open.
        let words: Vec<&str> = step.command.split(' ').collect();
        match words[..] {
            ["cat", file] => {
                fs::write(self.path().join(file), &step.printed)
                    .map_err(|error| error.to_string())?;
            }
            ["pvhost", "bind", guest, ..] => {
                let hello = test_support::guest(Arch::X86_64, "hello");
                fs::copy(hello, self.path().join(guest)).map_err(|error| error.to_string())?;
            }
            _ => {}
        }
        let image = self.path().join("image-of-2013");
        let uses_it = |step: &Step| step.command.contains("image-of-2013");
        if block.steps.iter().any(uses_it) && !image.exists() {
            test_support::program("i686-linux-gnu-gcc");
            guests_of_2013::build(Arch::I386.name(), "guest.c", &[], &image)?;
        }
        Ok(())
    }
}

/// Compares what was printed with what a document shows.
fn same(printed: &str, shown: &str) -> Result<(), String> {
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| !SAID_BY_DEMO.contains(line))
        .collect();
    let shown = any_address(shown.join("\n").trim_end());
    snapbox::Assert::new()
        .try_eq(
            None,
            printed.trim_end().to_owned().into_data(),
            shown.into_data(),
        )
        .map_err(|difference| difference.to_string())
}

/// The text with every hexadecimal number replaced by what stands for any text in a line.
fn any_address(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut pattern = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        pattern += "0x[..]";
        pattern += part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    pattern
}
