// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot image: kernel and partitions in one ELF, which QEMU loads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tree::Tree;
use paravirt_build::command;

/// Bytes of memory from address 0 that a 32-bit ELF occupies; `None` if it is none.
pub fn memory(elf: &[u8]) -> Option<u32> {
    /// Offsets in the ELF header and in a program header (gABI, chapters 4 and 5).
    const E_PHOFF: usize = 28;
    const E_PHENTSIZE: usize = 42;
    const E_PHNUM: usize = 44;
    const P_VADDR: usize = 8;
    const P_MEMSZ: usize = 20;

    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    // Magic, class 32 bits, little endian.
    elf.starts_with(b"\x7fELF\x01\x01").then_some(())?;
    let (start, size) = (word(E_PHOFF)? as usize, half(E_PHENTSIZE)? as usize);
    let mut end = 0;
    for header in 0..half(E_PHNUM)? as usize {
        let header = start + header * size;
        end = end.max(word(header + P_VADDR)?.checked_add(word(header + P_MEMSZ)?)?);
    }
    Some(end)
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
            .arg(tree.script())
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
        let mut elf = b"\x7fELF\x01\x01".to_vec();
        elf.resize(52 + 2 * 32, 0);
        elf[28] = 52;
        elf[42] = 32;
        elf[44] = 2;
        // The first segment from 0x2000, the second from 0; 0x100 bytes each.
        elf[52 + 9] = 0x20;
        elf[52 + 21] = 1;
        elf[84 + 21] = 1;
        assert_eq!(memory(&elf), Some(0x2100));
        assert_eq!(memory(&elf[..90]), None);
        elf[4] = 2;
        assert_eq!(memory(&elf), None);
    }
}
