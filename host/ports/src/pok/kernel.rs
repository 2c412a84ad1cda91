// SPDX-License-Identifier: MIT OR Apache-2.0
//! POK's kernel for one node.
//!
//! What is configured is written here from what the kernel's sources ask for: a header with the partitions and their
//! time slots, and a list of tools for its makefiles.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::node::Start;
use super::tree::{Kind, Tree};
use crate::make;
use paravirt_build::files;

/// Where the makefiles look for the list of tools.
const TOOLS_FILE: &str = "misc/mk/config.mk";
/// The tools, in the makefiles' names, but for the compiler's options.
const TOOLS: &str = "\
.SILENT:
CC_x86=gcc
LD_x86=ld
ELF_MODE=elf_i386
CD=cd
ECHO=true
GREP=grep
MKDIR=mkdir
RM=rm -rf
TOUCH=touch
";

/// The compiler's options for either kernel.
const COMPILER_OPTIONS: &str = "-W -Wall -g -m32";
/// Those for the fork beside: it is written for compilers of its time, and its linker script has no place for the
/// sections that the last two avoid.
const COMPILER_OPTIONS_OF_FORK: &str =
    "-w -std=gnu89 -fcommon -fno-pie -fno-asynchronous-unwind-tables -fno-merge-constants";

/// Time that a partition has the processor for, in ns, before it is the next one's turn.
pub const SLOT: u64 = 10_000_000;

/// Threads of the kernel itself: one to begin with, one that idles.
const KERNEL_THREADS: usize = 2;
/// Threads of a partition: the one it starts with, and the one that the guest becomes.
const PARTITION_THREADS: usize = 2;

/// What the guests call, and what these calls need to work.
const NEEDS: [&str; 3] = [
    "CONSOLE",
    // The console is on the serial line, too, without the messages that DEBUG brings.
    "USER_DEBUG",
    "GETTICK",
];
/// What idle needs that sleeps.
const NEEDS_OF_SLEEP: [&str; 2] = [
    "THREAD_SLEEP",
    // The scheduler wakes sleepers only with this.
    "LOCKOBJECTS",
];

/// What the fork wants beside. In the kernel as it is maintained, these are no choice.
const NEEDS_OF_FORK: [&str; 8] = [
    "THREADS",
    "PARTITIONS",
    "SCHED",
    "SCHED_STOP_SELF",
    "TIME",
    "THREAD_SUSPEND",
    // The console is on the serial line only with this.
    "DEBUG",
    // The calls for interrupts.
    "X86_VMM",
];

/// Builds the kernel for `start` in `folder`, anew. Returns the object file.
pub fn build(tree: &Tree, folder: &Path, start: &Start<'_>) -> Result<PathBuf> {
    let sources = folder.join("source");
    files::remove_folder(&sources)?;
    tree.copy_to(&sources)?;
    fs::write(sources.join(TOOLS_FILE), tools(tree.kind))?;
    let header = folder.join("deployment.h");
    fs::write(&header, deployment(tree.kind, start))?;
    let mut make = make::command();
    make.arg("--directory")
        .arg(sources.join("kernel"))
        .env("POK_PATH", &sources)
        .env("ARCH", "x86")
        .env("BSP", tree.kind.bsp())
        .env("DEPLOYMENT_HEADER", &header);
    make::run(&mut make, "POK's kernel does not build")?;
    Ok(sources.join("kernel/pok.lo"))
}

/// The list of tools.
fn tools(kind: Kind) -> String {
    let more = match kind {
        Kind::Maintained => "",
        Kind::Fork => COMPILER_OPTIONS_OF_FORK,
    };
    format!("{TOOLS}CONFIG_CFLAGS={COMPILER_OPTIONS} {more}\n")
}

/// The header with the configuration of a node.
fn deployment(kind: Kind, start: &Start<'_>) -> String {
    let partitions = start.images.len();
    let (slot, needs) = match kind {
        Kind::Maintained => (SLOT, &[][..]),
        // The fork counts time in ms.
        Kind::Fork => (SLOT / 1_000_000, &NEEDS_OF_FORK[..]),
    };
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
        ("PARTITIONS_NTHREADS", braced(&each(PARTITION_THREADS as u64))),
        ("PARTITIONS_SIZE", braced(&each(start.partition_size.into()))),
        ("PROCESSOR_AFFINITY", braced(&each(1))),
        ("SCHEDULING_MAJOR_FRAME", (slot * partitions as u64).to_string()),
        ("SCHEDULING_NBSLOTS", partitions.to_string()),
        ("SCHEDULING_SLOTS", braced(&each(slot))),
        ("SCHEDULING_SLOTS_ALLOCATION", braced(&numbers.join(", "))),
    ];
    let mut header = "/* Made by cargo xtask pok. */\n".to_owned();
    for (name, value) in settings {
        header.push_str(&format!("#define POK_CONFIG_{name} {value}\n"));
    }
    let sleep = if start.sleep { &NEEDS_OF_SLEEP[..] } else { &[] };
    for need in NEEDS.iter().chain(sleep).chain(needs) {
        header.push_str(&format!("#define POK_NEEDS_{need} 1\n"));
    }
    header
}

fn braced(list: &str) -> String {
    format!("{{{list}}}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn has(kind: Kind, lines: &[&str]) {
        let two = Start {
            images: &[PathBuf::new(), PathBuf::new()],
            partition_size: 0x80000,
            sleep: true,
            input: &[],
            limit: Duration::ZERO,
        };
        let header = deployment(kind, &two);
        for line in lines {
            assert!(header.lines().any(|found| found == *line), "{line}\n{header}");
        }
    }

    #[test]
    fn each_partition_has_its_threads_its_memory_and_its_slot() {
        has(
            Kind::Maintained,
            &[
                "#define POK_CONFIG_NB_THREADS 6",
                "#define POK_CONFIG_PARTITIONS_NTHREADS {2, 2}",
                "#define POK_CONFIG_PARTITIONS_SIZE {524288, 524288}",
                "#define POK_CONFIG_SCHEDULING_MAJOR_FRAME 20000000",
                "#define POK_CONFIG_SCHEDULING_SLOTS_ALLOCATION {0, 1}",
            ],
        );
    }

    #[test]
    fn the_fork_counts_in_ms_and_has_its_calls() {
        has(
            Kind::Fork,
            &[
                "#define POK_CONFIG_SCHEDULING_MAJOR_FRAME 20",
                "#define POK_CONFIG_SCHEDULING_SLOTS {10, 10}",
                "#define POK_NEEDS_GETTICK 1",
                "#define POK_NEEDS_X86_VMM 1",
            ],
        );
    }
}
