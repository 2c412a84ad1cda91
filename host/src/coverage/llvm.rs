// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters that rustc's `-Cinstrument-coverage` puts into code for x86-64, as a raw profile of LLVM
//! (compiler-rt/include/profile/InstrProfData.inc), version 10, which LLVM 19 and later read.
//!
//! They lie in sections of their own, one behind the other, as they are in the file.

use paravirt_abi::signature::Width;

use super::{CoverageError, MAX_BYTES};
use crate::debug::memory::ReadMemory;
use crate::image::{Image, Section};

/// With what a profile of a 64-bit program begins: `lprofr` between two bytes that are no text.
const MAGIC: u64 = u64::from_be_bytes(*b"\xfflprofr\x81");
const VERSION: u64 = 10;
/// The highest kind of values that are profiled beside counters (`IPVK_Last`); coverage has none.
const LAST_KIND: u64 = 2;
/// Size of what is said of a function, `__llvm_profile_data`.
const DATA_SIZE: u64 = 64;

/// The end of a profile's name.
pub(super) const SUFFIX: &[u8] = b".profraw";

/// The profile of a guest of that image, as `llvm-profdata merge` takes it; `None` if it has no such counters.
///
/// # Errors
/// If they are another architecture's, or cannot be read.
pub(super) fn profile(image: &Image, memory: &dyn ReadMemory) -> Result<Option<Vec<u8>>, CoverageError> {
    let section = |name: &str| image.sections().iter().find(|section| section.name == name);
    let Some((data, counters)) = section("__llvm_prf_data").zip(section("__llvm_prf_cnts")) else {
        return Ok(None);
    };
    if image.machine().width() != Width::Bits64 {
        return Err(CoverageError::Width);
    }
    let names = section("__llvm_prf_names");
    let bits = section("__llvm_prf_bits");
    let size = |section: Option<&Section>| section.map_or(0, |section| section.size);
    let address = |section: Option<&Section>| section.map_or(0, |section| section.address);
    let header = [
        MAGIC,
        VERSION,
        // Identifiers of the binary.
        0,
        data.size / DATA_SIZE,
        // Padding, before and behind the counters.
        0,
        counters.size / size_of::<u64>() as u64,
        0,
        size(bits),
        padding(size(bits)),
        size(names),
        // Where they were beside what is said of the functions, which has their places by that.
        counters.address.wrapping_sub(data.address),
        if bits.is_some() {
            address(bits).wrapping_sub(data.address)
        } else {
            0
        },
        address(names),
        // Tables of virtual functions, and their names.
        0,
        0,
        LAST_KIND,
    ];
    let mut profile: Vec<u8> = header.into_iter().flat_map(u64::to_le_bytes).collect();
    for section in [Some(data), Some(counters), bits, names].into_iter().flatten() {
        let size = section.size as usize;
        if section.size > (MAX_BYTES - profile.len().min(MAX_BYTES)) as u64 {
            return Err(CoverageError::TooMany);
        }
        let start = profile.len();
        profile.resize(start + size, 0);
        if memory.read(section.address, &mut profile[start..]) != size {
            return Err(CoverageError::Damaged);
        }
        profile.resize(profile.len().next_multiple_of(size_of::<u64>()), 0);
    }
    Ok(Some(profile))
}

/// Returns whether bytes begin as a profile.
pub(super) fn is_profile(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

/// The name of a profile of a guest of that image.
pub(super) fn name(image: &Image) -> Vec<u8> {
    let guest = image.name().rsplit('/').next().unwrap_or_default();
    let is_name = !guest.is_empty() && guest.len() <= 200;
    let stem = if is_name { guest } else { "guest" };
    [stem.as_bytes(), SUFFIX].concat()
}

const fn padding(size: u64) -> u64 {
    size.next_multiple_of(size_of::<u64>() as u64) - size
}
