// SPDX-License-Identifier: MIT OR Apache-2.0
//! POK's kernel for one node.
//!
//! What is configured is written here from what the kernel's sources ask for: a header with the partitions and their time
//! slots, and a list of tools for its makefiles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::tree::Tree;

/// Where the makefiles look for the list of tools.
const TOOLS_FILE: &str = "misc/mk/config.mk";
/// The tools, in the makefiles' names.
const TOOLS: &str = "\
.SILENT:
CC_x86=gcc
LD_x86=ld
ELF_MODE=elf_i386
CONFIG_CFLAGS=-W -Wall -g -m32
CD=cd
ECHO=true
GREP=grep
MKDIR=mkdir
RM=rm -rf
TOUCH=touch
";

/// Time that a partition has the processor for, in ns, before it is the next one's turn.
pub const SLOT: u64 = 10_000_000;

/// Threads of the kernel itself: one to begin with, one that idles.
const KERNEL_THREADS: usize = 2;
/// Threads of a partition: the one it starts with, and the one that the guest becomes.
const PARTITION_THREADS: usize = 2;

/// What the guests call, and what these calls need to work.
const NEEDS: [&str; 5] = [
    "CONSOLE",
    // The console is on the serial line, too, without the messages that DEBUG brings.
    "USER_DEBUG",
    "GETTICK",
    "THREAD_SLEEP",
    // The scheduler wakes sleepers only with this.
    "LOCKOBJECTS",
];

/// Builds the kernel for that many partitions, each with `size` bytes of memory, in `folder`, anew. Returns the object file.
///
/// # Errors
/// The build fails; the error holds its messages.
pub fn build(tree: &Tree, folder: &Path, partitions: usize, size: u32) -> Result<PathBuf> {
    let sources = folder.join("source");
    if sources.exists() {
        fs::remove_dir_all(&sources)
            .with_context(|| format!("cannot empty {}", sources.display()))?;
    }
    tree.copy_to(&sources)?;
    fs::write(sources.join(TOOLS_FILE), TOOLS)?;
    let header = folder.join("deployment.h");
    fs::write(&header, deployment(partitions, size))?;
    let output = Command::new("make")
        .arg("--directory")
        .arg(sources.join("kernel"))
        .env("POK_PATH", &sources)
        .env("ARCH", "x86")
        .env("BSP", "x86-qemu")
        .env("DEPLOYMENT_HEADER", &header)
        // A make that runs this program does not run that one.
        .env_remove("MAKEFLAGS")
        .stdin(Stdio::null())
        .output()
        .context("cannot start make")?;
    if !output.status.success() {
        bail!(
            "POK's kernel does not build: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(sources.join("kernel/pok.lo"))
}

/// The header with the configuration of a node.
fn deployment(partitions: usize, size: u32) -> String {
    let each = |value: u64| vec![value.to_string(); partitions].join(", ");
    let numbers: Vec<_> = (0..partitions).map(|number| number.to_string()).collect();
    let settings = [
        ("NB_PROCESSORS", "1".to_owned()),
        ("NB_PARTITIONS", partitions.to_string()),
        (
            "NB_THREADS",
            (partitions * PARTITION_THREADS + KERNEL_THREADS).to_string(),
        ),
        ("NB_LOCKOBJECTS", "0".to_owned()),
        ("PARTITIONS_NLOCKOBJECTS", braced(&each(0))),
        (
            "PARTITIONS_NTHREADS",
            braced(&each(PARTITION_THREADS as u64)),
        ),
        ("PARTITIONS_SIZE", braced(&each(size.into()))),
        ("PROCESSOR_AFFINITY", braced(&each(1))),
        (
            "SCHEDULING_MAJOR_FRAME",
            (SLOT * partitions as u64).to_string(),
        ),
        ("SCHEDULING_NBSLOTS", partitions.to_string()),
        ("SCHEDULING_SLOTS", braced(&each(SLOT))),
        ("SCHEDULING_SLOTS_ALLOCATION", braced(&numbers.join(", "))),
    ];
    let mut header = "/* Made by cargo xtask pok. */\n".to_owned();
    for (name, value) in settings {
        header.push_str(&format!("#define POK_CONFIG_{name} {value}\n"));
    }
    for need in NEEDS {
        header.push_str(&format!("#define POK_NEEDS_{need} 1\n"));
    }
    header
}

fn braced(list: &str) -> String {
    format!("{{{list}}}")
}

#[cfg(test)]
mod tests {
    use super::deployment;

    #[test]
    fn each_partition_has_its_threads_its_memory_and_its_slot() {
        let header = deployment(2, 0x80000);
        for line in [
            "#define POK_CONFIG_NB_THREADS 6",
            "#define POK_CONFIG_PARTITIONS_NTHREADS {2, 2}",
            "#define POK_CONFIG_PARTITIONS_SIZE {524288, 524288}",
            "#define POK_CONFIG_SCHEDULING_MAJOR_FRAME 20000000",
            "#define POK_CONFIG_SCHEDULING_SLOTS_ALLOCATION {0, 1}",
        ] {
            assert!(
                header.lines().any(|found| found == line),
                "{line}\n{header}"
            );
        }
    }
}
