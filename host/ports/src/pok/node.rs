// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node: a kernel with partitions, each with a guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::tree::{Kind, Tree};
use super::{image, kernel, qemu};
use paravirt_build::arch::Arch;
use paravirt_build::command;
use paravirt_build::guests::{self, Link};
use paravirt_build::hosts;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;

/// Time after which a node of ours is stopped. The kernel's interval timer interrupts 108,000 times a second, which an
/// emulator does a few times slower.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Memory of a partition in bytes: room for any of our guests, with some to spare.
const PARTITION_SIZE: u32 = 512 << 10;

/// A node of ours, and what its console must show.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its name, and that of its folder.
    pub name: &'static str,
    /// The guest of each partition and its command line, which goes into the image: POK passes none. Each partition
    /// runs in a slot of time of its own, one after the other.
    pub partitions: &'static [(&'static str, &'static str)],
    /// A file of the checkout that says which instructions of the guests an audit allows, and why.
    pub allow: Option<&'static str>,
    /// What is typed on the console when the kernel has started.
    pub input: &'static [u8],
    /// Compares what it printed on a kernel of that kind.
    pub judge: fn(&Workspace, Kind, &[String]) -> Result<()>,
}

impl Node {
    fn folder(&self, workspace: &Workspace, kind: Kind) -> PathBuf {
        workspace.target("pok").join(kind.bsp()).join(self.name)
    }

    /// Builds the guests, linked for partitions of such a kernel. Needs no POK.
    ///
    /// # Errors
    /// There is no compiler, or one does not build.
    pub fn build_guests(&self, workspace: &Workspace, packages: &[Package], kind: Kind) -> Result<Vec<PathBuf>> {
        let toolchain = Toolchain::find(workspace, Arch::I386)?;
        let features = match kind {
            Kind::Maintained => &[][..],
            Kind::Fork => &["paravirt-bsp/pok-irq"][..],
        };
        let folder = self.folder(workspace, kind);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut images = Vec::new();
        for (number, (name, command_line)) in self.partitions.iter().enumerate() {
            let guest = guests::named(packages, Arch::I386, name)?;
            let finished = folder.join(format!("{number}-{name}"));
            let object = command_line_object(command_line, &finished)?;
            images.push(guests::build_linked(
                workspace,
                &toolchain,
                Arch::I386,
                &guest,
                &Link {
                    features,
                    script: Some("pok.ld"),
                    objects: &[object],
                    finished,
                },
            )?);
        }
        Ok(images)
    }

    /// Looks at an image of [`Self::build_guests`] as far as that needs no POK: the backend carries its name into it,
    /// and no instruction is left that a partition may not execute, but those that the auditor knows to belong to a
    /// backend and those that the node allows.
    ///
    /// # Errors
    /// What `pvhost` found.
    pub fn audit(&self, workspace: &Workspace, pvhost: &Path, image: &Path) -> Result<()> {
        let list = hosts::list(pvhost, image)?;
        let backends = list["backends"].as_array().context("pvhost lists backends")?;
        ensure!(
            backends.iter().any(|backend| backend == "pok"),
            "{} has the backends {backends:?}, not pok",
            image.display()
        );
        let mut audit = Command::new(pvhost);
        audit.arg("audit").arg(image);
        if let Some(file) = self.allow {
            audit.arg("--allow").arg(workspace.root().join(file));
        }
        let output = audit
            .output()
            .with_context(|| format!("cannot start {}", command::name(&audit)))?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }

    /// Builds the guests, runs the node and compares; returns what its console shows.
    ///
    /// # Errors
    /// Something does not build or start, a partition does not end in time, or something else is printed.
    pub fn run(&self, workspace: &Workspace, packages: &[Package], tree: &Tree) -> Result<Vec<String>> {
        let images = self.build_guests(workspace, packages, tree.kind)?;
        let start = Start {
            images: &images,
            partition_size: PARTITION_SIZE,
            sleep: tree.kind == Kind::Maintained,
            input: self.input,
            limit: LIMIT,
        };
        let printed = start.run(tree, &self.folder(workspace, tree.kind), |_| ())?;
        (self.judge)(workspace, tree.kind, &printed)
            .map_err(|error| anyhow!("the node {}: {error:#}; it printed:\n{}", self.name, printed.join("\n")))?;
        Ok(printed)
    }
}

/// An object file beside `image` with the command line of its guest.
fn command_line_object(text: &str, image: &Path) -> Result<PathBuf> {
    ensure!(
        text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !text.contains(['"', '\\']),
        "a command line of plain words, not {text:?}"
    );
    let assembly =
        format!(".section .rodata\n.globl paravirt_command_line\nparavirt_command_line: .asciz \"{text}\"\n");
    image::assemble_object(&assembly, &image.with_extension("S"))
}

/// A node from finished images: what is started, and how.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Images with the backend `pok`, one for each partition.
    pub images: &'a [PathBuf],
    /// Memory of each partition in bytes.
    pub partition_size: u32,
    /// Whether the images sleep when they are idle. On the fork, those with the feature `pok-irq` do not.
    pub sleep: bool,
    /// What is typed on the console when the kernel has started.
    pub input: &'a [u8],
    /// Time after which the node is stopped.
    pub limit: Duration,
}

impl Start<'_> {
    /// Builds a kernel for the partitions in `folder`, starts the node, and returns what its console shows from the
    /// kernel's greeting to the end of the last partition. Each line is also handed to `show` when it comes.
    ///
    /// # Errors
    /// Something does not build or start, an image does not fit, or a partition does not end in time.
    pub fn run(&self, tree: &Tree, folder: &Path, show: impl FnMut(&str)) -> Result<Vec<String>> {
        for path in self.images {
            self.check_size(path)?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let kernel = kernel::build(tree, folder, self)?;
        let node = image::assemble(tree, folder, &kernel, self.images)?;
        qemu::run(&node, self, show)
    }

    /// POK's loader does not check that an image's memory is there, and wants room for the whole file.
    fn check_size(&self, image: &Path) -> Result<()> {
        let elf = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
        let memory = image::memory(&elf).with_context(|| format!("{} is no 32-bit ELF", image.display()))?;
        let needed = memory.max(elf.len() as u64);
        ensure!(
            needed <= u64::from(self.partition_size),
            "{} needs {needed} bytes, and a partition has {}",
            image.display(),
            self.partition_size
        );
        Ok(())
    }
}
