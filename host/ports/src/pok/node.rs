// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node: a kernel with partitions, each with a guest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::assemble::assemble;
use super::start::{LIMIT, Start};
use super::tree::{Kind, Tree};
use paravirt_build::arch::Arch;
use paravirt_build::guests::{self, Guest, Link};
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;

/// Memory of a partition in bytes: room for any of our guests, with some to spare.
const PARTITION_SIZE: u32 = 512 << 10;

/// A partition of a node.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// The guest.
    pub guest: &'static str,
    /// Its command line, which goes into the image: POK passes none.
    pub command_line: &'static str,
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its name, and that of its folder.
    pub name: &'static str,
    /// Its partitions; each runs in a slot of time of its own, one after the other.
    pub partitions: &'static [Partition],
    /// A file of the checkout that says which instructions of the guests an audit allows, and why.
    pub allow: Option<&'static str>,
    /// What is typed on the console when the kernel has started.
    pub input: &'static [u8],
}

impl Node {
    fn folder(&self, workspace: &Workspace, kind: Kind) -> PathBuf {
        workspace.root().join("target/pok").join(kind.bsp()).join(self.name)
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
        for (number, partition) in self.partitions.iter().enumerate() {
            let guest = find(packages, partition.guest)?;
            let finished = folder.join(format!("{number}-{}", partition.guest));
            let object = command_line_object(partition.command_line, &finished)?;
            images.push(guests::build_linked(
                workspace,
                &toolchain,
                Arch::I386,
                &guest,
                &Link {
                    features,
                    script: "pok.ld",
                    objects: &[object],
                    finished,
                },
            )?);
        }
        Ok(images)
    }

    /// Builds the guests and runs the node; what its console shows.
    ///
    /// # Errors
    /// Something does not build or start, or a partition does not end in time.
    pub fn run(&self, workspace: &Workspace, packages: &[Package], tree: &Tree) -> Result<Vec<String>> {
        let images = self.build_guests(workspace, packages, tree.kind)?;
        let start = Start {
            images: &images,
            partition_size: PARTITION_SIZE,
            sleep: tree.kind == Kind::Maintained,
            input: self.input,
            limit: LIMIT,
        };
        start.run(tree, &self.folder(workspace, tree.kind), |_| ())
    }
}

fn find<'a>(packages: &'a [Package], name: &str) -> Result<Guest<'a>> {
    guests::select(packages, Arch::I386, &[name.to_owned()])
        .into_iter()
        .find(|guest| guest.name == name)
        .with_context(|| format!("there is no guest {name}"))
}

/// An object file beside `image` with the command line of its guest.
fn command_line_object(text: &str, image: &Path) -> Result<PathBuf> {
    ensure!(
        text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !text.contains(['"', '\\']),
        "a command line of plain words, not {text:?}"
    );
    let source = image.with_extension("S");
    let object = image.with_extension("o");
    let assembly =
        format!(".section .rodata\n.globl paravirt_command_line\nparavirt_command_line: .asciz \"{text}\"\n");
    fs::write(&source, assembly).with_context(|| format!("cannot write {}", source.display()))?;
    assemble(&source, &object)?;
    Ok(object)
}
