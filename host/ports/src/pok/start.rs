// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node from finished images: kernel, boot image, machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::tree::Tree;
use super::{image, kernel, qemu};

/// Time after which a node of ours is stopped. The kernel's interval timer interrupts 108,000 times a second, which an
/// emulator does a few times slower.
pub const LIMIT: Duration = Duration::from_secs(300);

/// What is started, and how.
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
        let purpose = kernel::Purpose {
            partitions: self.images.len(),
            size: self.partition_size,
            sleep: self.sleep,
        };
        let kernel = kernel::build(tree, folder, purpose)?;
        let node = image::assemble(tree, folder, &kernel, self.images)?;
        qemu::run(&node, self, show)
    }

    /// POK's loader does not check that an image's memory is there, and wants room for the whole file.
    fn check_size(&self, image: &Path) -> Result<()> {
        let file = fs::metadata(image)
            .with_context(|| format!("cannot read {}", image.display()))?
            .len();
        let needed = u64::from(image::memory(image)?).max(file);
        ensure!(
            needed <= u64::from(self.partition_size),
            "{} needs {needed} bytes, and a partition has {}",
            image.display(),
            self.partition_size
        );
        Ok(())
    }
}
