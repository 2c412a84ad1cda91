// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters in a guest's memory: `struct gcov_info` and what it leads to (GCC, libgcc/libgcov.h), as gcc 12 to 15 make
//! them for code of an object file.
//!
//! `-fprofile-info-section` has each object file leave the address of its own in a section, which the linker scripts of
//! this project keep, so that nothing has to happen in the guest.

use std::collections::HashSet;

use paravirt_abi::signature::Width;

use super::data::{ARCS, Data, FUNCTION_SIZE, Function, counters_size, is_supported, major};
use super::{DataFile, MAX_BYTES, MAX_FILES, MAX_NAME};
use crate::debug::memory::{self, ReadMemory};
use crate::image::{Image, pointer_size};

/// The section with the addresses.
const SECTION: &str = ".gcov_info";

/// Why a guest's counters cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoverageError {
    /// There are none.
    #[error(
        "no counters in the guest; compile C and C++ with gcc's options -fprofile-arcs -ftest-coverage \
        -fprofile-info-section, Rust with -Cinstrument-coverage"
    )]
    None,
    /// They are of another compiler.
    #[error("the guest's counters are of gcc {0}; gcc 12 to 15 are known")]
    Version(u32),
    /// Of another kind than `--coverage` makes.
    #[error("the guest counts more than coverage; build it with `--coverage` and without `-fprofile-generate`")]
    Kind,
    /// Of Rust code for another architecture.
    #[error("counters of rustc are known for x86-64 only")]
    Width,
    /// They lead to memory that is not there, or that the guest has overwritten.
    #[error("the guest's counters are damaged; has it overwritten memory?")]
    Damaged,
    /// There are too many.
    #[error("the guest has more than {MAX_FILES} object files with counters, or {} MiB of counters", MAX_BYTES >> 20)]
    TooMany,
}

/// The counters of a guest of that image: for each object file that has any, in the order of the files' names.
///
/// # Errors
/// If there are none, or they cannot be read.
pub(super) fn collect(image: &Image, memory: &dyn ReadMemory) -> Result<Vec<DataFile>, CoverageError> {
    let reader = Reader {
        memory,
        width: image.machine().width(),
    };
    let mut left = MAX_BYTES;
    let mut files = Vec::new();
    for address in reader.find(image)? {
        files.push(reader.file(address, &mut left)?);
    }
    if files.is_empty() {
        return Err(CoverageError::None);
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

struct Reader<'a> {
    memory: &'a dyn ReadMemory,
    width: Width,
}

/// A structure of the guest, read member by member.
struct Members<'a> {
    reader: &'a Reader<'a>,
    at: u64,
}

impl Members<'_> {
    fn word(&mut self) -> Result<u32, CoverageError> {
        let word = memory::word(self.reader.memory, self.at).ok_or(CoverageError::Damaged)?;
        self.at = self.at.checked_add(4).ok_or(CoverageError::Damaged)?;
        Ok(word)
    }

    fn pointer(&mut self) -> Result<u64, CoverageError> {
        let size = self.reader.pointer_size();
        let at = self.at.checked_next_multiple_of(size).ok_or(CoverageError::Damaged)?;
        self.at = at.checked_add(size).ok_or(CoverageError::Damaged)?;
        self.reader.pointer(at)
    }
}

impl Reader<'_> {
    const fn pointer_size(&self) -> u64 {
        pointer_size(self.width)
    }

    fn pointer(&self, address: u64) -> Result<u64, CoverageError> {
        memory::pointer(self.memory, address, self.width).ok_or(CoverageError::Damaged)
    }

    const fn members(&self, at: u64) -> Members<'_> {
        Members { reader: self, at }
    }

    /// Addresses of all `gcov_info`, each once.
    fn find(&self, image: &Image) -> Result<Vec<u64>, CoverageError> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        if let Some(section) = image.sections().iter().find(|section| section.name == SECTION) {
            if section.size / self.pointer_size() > MAX_FILES as u64 {
                return Err(CoverageError::TooMany);
            }
            let mut at = section.address;
            while section.end() - at >= self.pointer_size() {
                let address = self.pointer(at)?;
                if address != 0 && seen.insert(address) {
                    found.push(address);
                }
                at += self.pointer_size();
            }
        }
        Ok(found)
    }

    /// The counters to which that `gcov_info` leads; what they take is taken from `left`, in bytes.
    fn file(&self, address: u64, left: &mut usize) -> Result<DataFile, CoverageError> {
        let mut members = self.members(address);
        let version = members.word()?;
        // Kinds of counters that there are (gcc/gcov-counter.def).
        let kinds = match major(version) {
            Some(12 | 13) => 8,
            Some(14) => 9,
            Some(15) => 10,
            Some(other) => return Err(CoverageError::Version(other)),
            None => return Err(CoverageError::Damaged),
        };
        let _next = members.pointer()?;
        let stamp = members.word()?;
        let checksum = members.word()?;
        let name = self.name(members.pointer()?)?;
        let mut used = Vec::new();
        for kind in 0..kinds {
            let merge = members.pointer()?;
            if merge != 0 {
                used.push(kind);
            }
        }
        if !used.iter().all(|&kind| is_supported(kind)) {
            return Err(CoverageError::Kind);
        }
        let count = members.word()?;
        let functions = members.pointer()?;
        let mut data = Data {
            version,
            stamp,
            checksum,
            runs: 1,
            highest: 0,
            functions: Vec::new(),
        };
        let mut pointers = self.members(functions);
        for _ in 0..count {
            take(left, FUNCTION_SIZE)?;
            let function = pointers.pointer()?;
            data.functions.push(self.function(function, address, &used, left)?);
        }
        let arcs = data.functions.iter().flatten().flat_map(|function| &function.counters);
        let highest = arcs
            .filter(|(kind, _)| *kind == ARCS)
            .flat_map(|(_, counters)| counters)
            .max();
        data.highest = highest.map_or(0, |&highest| u32::try_from(highest).unwrap_or(u32::MAX));
        Ok(DataFile { name, data })
    }

    /// The counters of a function; `None` if they are another object file's than the one of that `gcov_info`.
    fn function(
        &self,
        address: u64,
        info: u64,
        used: &[u32],
        left: &mut usize,
    ) -> Result<Option<Function>, CoverageError> {
        if address == 0 {
            return Ok(None);
        }
        let mut members = self.members(address);
        if members.pointer()? != info {
            return Ok(None);
        }
        let [ident, line_checksum, graph_checksum] = [members.word()?, members.word()?, members.word()?];
        let mut counters = Vec::new();
        for &kind in used {
            // struct gcov_ctr_info has the alignment of its pointer.
            let at = members.at.checked_next_multiple_of(self.pointer_size());
            members.at = at.ok_or(CoverageError::Damaged)?;
            let count = members.word()? as usize;
            let values = members.pointer()?;
            take(left, counters_size(count))?;
            let mut bytes = vec![0; count * size_of::<u64>()];
            let size = bytes.len();
            if self.memory.read(values, &mut bytes) != size {
                return Err(CoverageError::Damaged);
            }
            let (values, _) = bytes.as_chunks::<8>();
            counters.push((kind, values.iter().map(|&value| u64::from_le_bytes(value)).collect()));
        }
        Ok(Some(Function {
            ident,
            line_checksum,
            graph_checksum,
            counters,
        }))
    }

    fn name(&self, address: u64) -> Result<Vec<u8>, CoverageError> {
        let mut bytes = [0; MAX_NAME];
        let read = self.memory.read(address, &mut bytes);
        let end = bytes[..read].iter().position(|&byte| byte == 0);
        let end = end.filter(|&end| end > 0).ok_or(CoverageError::Damaged)?;
        Ok(bytes[..end].to_vec())
    }
}

fn take(left: &mut usize, size: usize) -> Result<(), CoverageError> {
    *left = left.checked_sub(size).ok_or(CoverageError::TooMany)?;
    Ok(())
}
