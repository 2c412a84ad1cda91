// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a guest's ELF to what it printed: its package and image are built, a machine under QEMU runs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::slice::Chunks;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::tree::Tree;
use super::{image, overlay};
use crate::qemu::{self, Event};
use paravirt_build::arch::Arch;
use paravirt_build::files;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;
use paravirt_build::{guests, hosts, static_library};

/// What the program writes before the guest's first byte, up to the end of the line.
const START: &str = "paravirt: starting ";
/// What it writes behind the guest's last.
const END: &str = "paravirt: shutdown ";
/// What a terminal in raw mode sends for Ctrl-D: a serial line has no end.
const END_OF_TRANSMISSION: u8 = 4;

/// A user's trees with our package, ready for guests.
#[derive(Debug)]
pub struct Machine<'a> {
    pub(super) workspace: &'a Workspace,
    /// The user's trees.
    pub tree: Tree,
    /// The build folder, see [`overlay`].
    pub(super) overlay: PathBuf,
    /// `libparavirt_host.a`.
    pub(super) library: PathBuf,
    pub(super) pvhost: PathBuf,
    /// Held as long as the build folder is in use.
    _lock: File,
}

/// A guest to start.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// Its ELF.
    pub guest: &'a Path,
    /// Options of our program; `host/l4re/README.md` has a list.
    pub options: &'a [String],
    /// The guest's arguments.
    pub arguments: &'a [String],
    /// C files with functions of its own.
    pub sources: &'a [PathBuf],
    /// The configuration by which the server io makes a virtual bus of the name `vbus` for our program, see
    /// [`Tree::has_io`].
    pub bus: Option<&'a Path>,
    /// What is typed when it runs. Unless that is nothing, Ctrl-D follows.
    pub input: &'a [u8],
    /// The time on this machine that it may take.
    pub limit: Duration,
}

impl<'a> Task<'a> {
    /// Nothing but a guest, with time for an emulator that needs some ten times as long as a process.
    pub const fn of(guest: &'a Path) -> Self {
        Self {
            guest,
            options: &[],
            arguments: &[],
            sources: &[],
            bus: None,
            input: &[],
            limit: Duration::from_secs(300),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What our program wrote before: what is missing, what was measured.
    pub before: String,
    /// What the guest wrote. A report of a fault comes last.
    pub printed: String,
    /// How it ended, as our program says it: `exit 0`, `fatal 3`, ...; empty if it was not started.
    pub end: String,
    /// Our program's exit status.
    pub status: i32,
}

impl<'a> Machine<'a> {
    /// Prepares the build folder and the library.
    pub fn prepare(workspace: &'a Workspace, tree: Tree) -> Result<Self> {
        let folder = workspace.target("l4re").join(tree.name());
        fs::create_dir_all(&folder)?;
        let lock = files::lock(&folder.join(".lock"))?;
        let overlay = folder.join("build");
        overlay::make(&tree, &overlay)?;
        let library = static_library::build(workspace, tree.arch, static_library::HOST, &folder)?;
        Ok(Self {
            workspace,
            tree,
            overlay,
            library,
            pvhost: hosts::build(workspace, hosts::PVHOST)?,
            _lock: lock,
        })
    }

    /// Builds the workspace's guest of that name for the machine's architecture; its ELF.
    pub(super) fn build_guest(&self, name: &str) -> Result<PathBuf> {
        let (workspace, arch) = (self.workspace, self.tree.arch);
        let toolchain = Toolchain::find(workspace, arch)?;
        guests::build(
            workspace,
            &toolchain,
            arch,
            &guests::named(&Package::all(workspace)?, arch, name)?,
        )
    }

    /// Builds the program for a guest, makes the boot image and runs it.
    ///
    /// # Errors
    /// Something does not build or start, or does not end in time.
    pub fn run(&self, task: &Task<'_>) -> Result<Outcome> {
        image::build_package(self, task)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let mut options = vec![format!("--wall-clock={now}")];
        options.extend_from_slice(task.options);
        let task = &Task {
            options: &options,
            ..task.clone()
        };
        let image = image::assemble(self, task)?;
        let mut input = task.input.to_vec();
        if !input.is_empty() {
            input.push(END_OF_TRANSMISSION);
        }
        let written = run_qemu(&image, self.tree.arch, START.as_bytes(), &input, task.limit)?;
        fs::write(self.overlay.join("console.txt"), &written)?;
        outcome(&written).with_context(|| format!("the machine wrote:\n{}", String::from_utf8_lossy(&written)))
    }
}

/// Memory of the machine in MiB.
const MEMORY: u64 = 512;

/// Bytes that are typed at once. The kernel keeps 255 and drops others, and QEMU hands over all that it has while the
/// kernel takes what the serial line has.
const PIECE: usize = 64;
/// Between two pieces: time for the kernel to end taking. A serial line would need 5 ms for one.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts `image` and returns what it has written when it ends by itself. As soon as it has written `ready`, it gets
/// `input`. If the machine does not end in time, the error holds what it wrote.
fn run_qemu(image: &Path, arch: Arch, ready: &[u8], input: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let program = match arch {
        Arch::I386 => "qemu-system-i386",
        _ => "qemu-system-x86_64",
    };
    let mut machine = qemu::Machine::start(program, "q35", MEMORY, image)?;
    let end = Instant::now() + limit;
    let mut written = Vec::new();
    let mut rest = input.chunks(PIECE);
    let mut next = None;
    loop {
        match machine.next(next.unwrap_or(end).min(end)) {
            Event::Output(piece) => written.extend(piece),
            Event::Ended => return Ok(written),
            Event::Timeout if Instant::now() < end => {}
            Event::Timeout => bail!(
                "it did not end within {} s; it wrote:\n{}",
                limit.as_secs(),
                String::from_utf8_lossy(&written)
            ),
        }
        if next.is_none() && contains(&written, ready) {
            next = Some(Instant::now());
        }
        if next.is_some_and(|next| next <= Instant::now()) {
            next = match type_next(&mut machine, &mut rest) {
                Ok(true) => Some(Instant::now() + PAUSE),
                // All is typed, or the machine has ended, and what it wrote tells why.
                Ok(false) | Err(_) => Some(end),
            };
        }
    }
}

/// Types the next piece, once the machine has taken the one before. Returns whether there may be more.
fn type_next(machine: &mut qemu::Machine, rest: &mut Chunks<'_, u8>) -> Result<bool> {
    if !machine.has_taken_all()? {
        return Ok(true);
    }
    match rest.next() {
        Some(piece) => machine.type_in(piece).map(|()| true),
        None => Ok(false),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Takes what the machine wrote apart.
fn outcome(written: &[u8]) -> Result<Outcome> {
    // The kernel's console puts a carriage return in front of each line feed.
    let written = String::from_utf8_lossy(written).replace("\r\n", "\n");
    let (written, status) = written
        .rsplit_once(image::STATUS)
        .context("our program did not end, or Ned did not start it")?;
    let (before, started) = match written.split_once(START) {
        Some((before, started)) => (before, Some(behind_line(started))),
        None => (written, None),
    };
    // What kernel and servers say ends with Ned's greeting.
    let before = before
        .rsplit_once("Ned: loading file")
        .map_or("", |(_, own)| behind_line(own));
    let (printed, end) = match started {
        Some(text) => text.rsplit_once(END).context("our program ended without saying how")?,
        None => ("", ""),
    };
    let line = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
    Ok(Outcome {
        before: before.to_owned(),
        printed: printed.to_owned(),
        end: line(end),
        status: line(status).parse()?,
    })
}

/// What follows the first line.
fn behind_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_s_own_words_are_cut_out() {
        let written = "MOE: Hello world\nNed: loading file: 'rom/guest.cfg'\r\nparavirt: pv_x is missing\n\
            paravirt: starting rom/guest\r\none\r\r\ntwo, no line feedparavirt: shutdown exit 7\n\
            l4re: exit status 7\r\n";
        let outcome = outcome(written.as_bytes()).expect("is complete");
        assert_eq!(
            (outcome.before.as_str(), outcome.printed.as_str()),
            ("paravirt: pv_x is missing\n", "one\r\ntwo, no line feed")
        );
        assert_eq!((outcome.end.as_str(), outcome.status), ("exit 7", 7));
    }

    #[test]
    fn a_guest_that_was_refused_has_printed_nothing() {
        let written = "Ned: loading file: 'rom/guest.cfg'\nparavirt: no guest\nl4re: exit status 1\n";
        let outcome = outcome(written.as_bytes()).expect("is complete");
        assert_eq!(outcome.before, "paravirt: no guest\n");
        assert_eq!((outcome.end.as_str(), outcome.status), ("", 1));
    }

    #[test]
    fn a_machine_that_just_ends_is_an_error() {
        assert!(outcome(b"paravirt: starting rom/guest\nhello\n").is_err());
        assert!(outcome(b"paravirt: starting x\nhello\nl4re: exit status 0\n").is_err());
    }
}
