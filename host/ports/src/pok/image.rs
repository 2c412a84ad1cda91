// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot image: kernel and partitions in one ELF, which QEMU loads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use object::read::elf::ElfFile32;
use object::{LittleEndian, Object, ObjectSegment};

use super::tree::Tree;
use paravirt_build::command;

/// Bytes of memory from address 0 that a 32-bit ELF occupies.
pub fn memory(elf: &[u8]) -> object::Result<u64> {
    let elf = ElfFile32::<LittleEndian>::parse(elf)?;
    let ends = elf.segments().map(|segment| segment.address() + segment.size());
    Ok(ends.max().unwrap_or(0))
}

/// Writes `assembly` to the file `source` and assembles that for 32-bit x86; returns the object file beside it.
pub fn assemble_object(assembly: &str, source: &Path) -> Result<PathBuf> {
    fs::write(source, assembly).with_context(|| format!("cannot write {}", source.display()))?;
    let object = source.with_extension("o");
    let mut gcc = Command::new("gcc");
    command::run(gcc.args(["-m32", "-c"]).arg(source).arg("-o").arg(&object))?;
    Ok(object)
}

/// Puts `kernel` and the partitions' images together. Returns the image.
pub fn assemble(tree: &Tree, folder: &Path, kernel: &Path, partitions: &[PathBuf]) -> Result<PathBuf> {
    let object = assemble_object(&archive(partitions)?, &folder.join("partitions.S"))?;
    let image = folder.join("pok.elf");
    // The linker warns of stacks and segments in code that is not ours.
    command::output(
        Command::new("ld")
            .args(["-m", "elf_i386", "-T"])
            .arg(tree.folder.join(tree.kind.script()))
            .arg("-o")
            .arg(&image)
            .args([kernel, &object]),
    )?;
    Ok(image)
}

/// What the kernel's loader looks for: the length of each partition's image, and the images one behind the other in a
/// section of their own.
fn archive(partitions: &[PathBuf]) -> Result<String> {
    let mut sizes = ".data\n.globl part_sizes\npart_sizes:\n".to_owned();
    let mut images = ".section .archive2, \"aw\"\n".to_owned();
    for partition in partitions {
        let size = fs::metadata(partition)
            .with_context(|| format!("cannot read {}", partition.display()))?
            .len();
        let path = partition.display().to_string();
        ensure!(
            !path.contains(['"', '\\', '\n']),
            "the assembler cannot read a file of this name: {path:?}"
        );
        sizes.push_str(&format!("    .long {size}\n"));
        images.push_str(&format!("    .incbin \"{path}\"\n"));
    }
    Ok(sizes + &images)
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn memory_reaches_to_the_end_of_the_last_segment() {
        // Version 1; the size of this header, where program headers are, their size and number.
        let mut elf = b"\x7fELF\x01\x01\x01".to_vec();
        elf.resize(52 + 2 * 32, 0);
        for (at, byte) in [(20, 1), (28, 52), (40, 52), (42, 32), (44, 2)] {
            elf[at] = byte;
        }
        // Both are loaded: the first from 0x2000, the second from 0; 0x100 bytes each.
        for (at, byte) in [(52, 1), (52 + 9, 0x20), (52 + 21, 1), (84, 1), (84 + 21, 1)] {
            elf[at] = byte;
        }
        assert_eq!(memory(&elf), Ok(0x2100));
        assert!(memory(&elf[..90]).is_err());
        elf[4] = 2;
        assert!(memory(&elf).is_err());
    }
}
