// SPDX-License-Identifier: MIT OR Apache-2.0
//! The content of a `.gcda` file (GCC, gcc/gcov-io.h) of gcc 12 or later, in the byte order of x86.

use super::MAX_BYTES;

/// `gcda`.
const MAGIC: u32 = 0x6763_6461;
const FUNCTION: u32 = 0x0100_0000;
const SUMMARY: u32 = 0xa100_0000;
/// Of counters of kind 0; the next kind is 2 higher in the byte above the lowest two.
const COUNTERS: u32 = 0x01a1_0000;
const KIND_SHIFT: u32 = 17;

/// Counters by bits, of conditions (gcc 14) and of paths (gcc 15): two runs together have the bits of both.
const BITS: [u32; 2] = [8, 9];
/// Counters of arcs: those of two runs are added.
pub(super) const ARCS: u32 = 0;

/// Counters of one object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// The compiler's version, four characters in a word.
    pub(super) version: u32,
    /// With the next, which build it is of: as in the `.gcno` file.
    pub(super) stamp: u32,
    pub(super) checksum: u32,
    /// How many runs are counted.
    pub(super) runs: u32,
    /// The sum of the highest counters of all runs.
    pub(super) highest: u32,
    /// `None`: another object file has the function.
    pub(super) functions: Vec<Option<Function>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) ident: u32,
    pub(super) line_checksum: u32,
    pub(super) graph_checksum: u32,
    /// Of each kind that the function has, by kind.
    pub(super) counters: Vec<(u32, Vec<u64>)>,
}

/// Memory that a function takes without its counters, in bytes.
pub(super) const FUNCTION_SIZE: usize = size_of::<Option<Function>>();

/// Memory that so many counters of one kind take, in bytes.
pub(super) const fn counters_size(count: usize) -> usize {
    size_of::<(u32, Vec<u64>)>().saturating_add(count.saturating_mul(size_of::<u64>()))
}

/// Why bytes are no counters of coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DataError {
    /// It is another kind of file.
    #[error("no `.gcda` file of gcc 12 or later")]
    Other,
    /// It ends too early, or a record is longer than it may be.
    #[error("a damaged `.gcda` file")]
    Damaged,
}

/// Words one after the other.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u32, DataError> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or(DataError::Damaged)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word))
    }
}

impl Data {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If it is another kind of file, or damaged.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DataError> {
        let mut words = Words(bytes);
        if words.next() != Ok(MAGIC) {
            return Err(DataError::Other);
        }
        let version = words.next()?;
        if major(version).is_none_or(|major| major < 12) {
            return Err(DataError::Other);
        }
        let mut data = Self {
            version,
            stamp: words.next()?,
            checksum: words.next()?,
            runs: 0,
            highest: 0,
            functions: Vec::new(),
        };
        // What a file says to be zero is not in it, and costs memory all the same.
        let mut left = MAX_BYTES;
        let mut take = |size| {
            left = left.checked_sub(size).ok_or(DataError::Damaged)?;
            Ok(())
        };
        loop {
            let tag = words.next()?;
            match tag {
                0 => return Ok(data),
                SUMMARY => {
                    if words.next()? != 8 {
                        return Err(DataError::Damaged);
                    }
                    (data.runs, data.highest) = (words.next()?, words.next()?);
                }
                FUNCTION => {
                    take(FUNCTION_SIZE)?;
                    let function = match words.next()? {
                        0 => None,
                        12 => Some(Function {
                            ident: words.next()?,
                            line_checksum: words.next()?,
                            graph_checksum: words.next()?,
                            counters: Vec::new(),
                        }),
                        _ => return Err(DataError::Damaged),
                    };
                    data.functions.push(function);
                }
                tag => {
                    let kind = kind(tag).ok_or(DataError::Damaged)?;
                    let Some(Some(function)) = data.functions.last_mut() else {
                        return Err(DataError::Damaged);
                    };
                    let length = words.next()?.cast_signed();
                    let count = length.unsigned_abs() as usize / size_of::<u64>();
                    take(counters_size(count))?;
                    let mut counters = Vec::new();
                    if length <= 0 {
                        counters.resize(count, 0);
                    } else {
                        for _ in 0..count {
                            let low = u64::from(words.next()?);
                            counters.push(u64::from(words.next()?) << 32 | low);
                        }
                    }
                    function.counters.push((kind, counters));
                }
            }
        }
    }

    /// The bytes of the file.
    #[must_use]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut words = vec![MAGIC, self.version, self.stamp, self.checksum];
        words.extend([SUMMARY, 8, self.runs, self.highest]);
        for function in &self.functions {
            let Some(function) = function else {
                words.extend([FUNCTION, 0]);
                continue;
            };
            words.extend([
                FUNCTION,
                12,
                function.ident,
                function.line_checksum,
                function.graph_checksum,
            ]);
            for (kind, counters) in &function.counters {
                let length = (counters.len() * size_of::<u64>()) as i32;
                words.push(COUNTERS + (kind << KIND_SHIFT));
                if counters.iter().all(|&counter| counter == 0) {
                    words.push(length.wrapping_neg().cast_unsigned());
                } else {
                    words.push(length.cast_unsigned());
                    words.extend(
                        counters
                            .iter()
                            .flat_map(|&counter| [counter as u32, (counter >> 32) as u32]),
                    );
                }
            }
        }
        words.push(0);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    /// Memory that the counters take, in bytes.
    #[must_use]
    pub(super) fn size(&self) -> usize {
        let counters = self.functions.iter().flatten().flat_map(|function| &function.counters);
        let counters = counters.map(|(_, counters)| counters_size(counters.len()));
        self.functions.len() * FUNCTION_SIZE + counters.sum::<usize>()
    }

    /// Returns whether both are of the same build of the same object file, so that they can be added.
    #[must_use]
    pub(super) fn is_of_same_build(&self, other: &Self) -> bool {
        let build = |data: &Self| (data.version, data.stamp, data.checksum, data.functions.len());
        let same = |(ours, theirs): (&Option<Function>, &Option<Function>)| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours.is_same(theirs),
            _ => true,
        };
        build(self) == build(other) && self.functions.iter().zip(&other.functions).all(same)
    }

    /// Adds what another run of the same build has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.runs = self.runs.saturating_add(other.runs);
        self.highest = self.highest.saturating_add(other.highest);
        for (ours, theirs) in self.functions.iter_mut().zip(&other.functions) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => ours.add(theirs),
                (ours @ None, Some(_)) => ours.clone_from(theirs),
                (_, None) => {}
            }
        }
    }
}

impl Function {
    fn is_same(&self, other: &Self) -> bool {
        let head = |function: &Self| (function.ident, function.line_checksum, function.graph_checksum);
        let shape = |function: &Self| -> Vec<_> {
            let counters = function.counters.iter();
            counters.map(|(kind, counters)| (*kind, counters.len())).collect()
        };
        head(self) == head(other) && shape(self) == shape(other)
    }

    fn add(&mut self, other: &Self) {
        for ((kind, ours), (_, theirs)) in self.counters.iter_mut().zip(&other.counters) {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                if BITS.contains(kind) {
                    *ours |= theirs;
                } else {
                    *ours = ours.saturating_add(*theirs);
                }
            }
        }
    }
}

/// The kind of counters that a tag announces; `None`: it is another tag, or a kind that is written otherwise.
fn kind(tag: u32) -> Option<u32> {
    let kind = tag.checked_sub(COUNTERS)? >> KIND_SHIFT;
    (tag == COUNTERS + (kind << KIND_SHIFT) && is_supported(kind)).then_some(kind)
}

/// Returns whether `--coverage` makes counters of that kind, and not only `-fprofile-generate`.
pub(super) fn is_supported(kind: u32) -> bool {
    kind == ARCS || BITS.contains(&kind)
}

/// The major version of gcc that a version word stands for, as `B22*` for 12.2: a letter for tens, and a digit.
pub(super) fn major(version: u32) -> Option<u32> {
    let [tens, ones, ..] = version.to_be_bytes();
    let tens = tens.checked_sub(b'A').filter(|&tens| tens < 26)?;
    let ones = ones.checked_sub(b'0').filter(|&ones| ones < 10)?;
    Some(u32::from(tens) * 10 + u32::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(ident: u32, counters: &[u64]) -> Option<Function> {
        Some(Function {
            ident,
            line_checksum: 2,
            graph_checksum: 3,
            counters: vec![(ARCS, counters.to_vec()), (BITS[0], vec![1, 0])],
        })
    }

    fn data() -> Data {
        Data {
            version: u32::from_be_bytes(*b"B22*"),
            stamp: 5,
            checksum: 6,
            runs: 1,
            highest: 9,
            functions: vec![function(1, &[9, 1 << 40]), None, function(4, &[0, 0])],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let data = data();
        let bytes = data.bytes();
        assert_eq!(Data::parse(&bytes), Ok(data));
        for end in 0..bytes.len() {
            assert!(Data::parse(&bytes[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn runs_are_added() {
        let (mut sum, mut other) = (data(), data());
        other.functions[1] = function(7, &[1]);
        other.functions[0].as_mut().expect("a function").counters[1].1 = vec![2, 4];
        assert!(sum.is_of_same_build(&other));
        sum.add(&other);
        assert_eq!((sum.runs, sum.highest), (2, 18));
        let first = sum.functions[0].as_ref().expect("a function");
        assert_eq!(first.counters, [(ARCS, vec![18, 2 << 40]), (BITS[0], vec![3, 4])]);
        assert_eq!(sum.functions[1], other.functions[1]);
        other.stamp += 1;
        assert!(!sum.is_of_same_build(&other));
        let mut other = data();
        other.functions[2] = function(4, &[0]);
        assert!(!sum.is_of_same_build(&other));
    }

    #[test]
    fn a_file_that_claims_endless_zeros_is_refused() {
        let mut data = data();
        data.functions.truncate(1);
        let mut words: Vec<u32> = vec![MAGIC, data.version, 5, 6, FUNCTION, 12, 1, 2, 3];
        for _ in 0..2 {
            words.extend([COUNTERS, (MAX_BYTES as i32 / 2 + 8).wrapping_neg().cast_unsigned()]);
        }
        words.push(0);
        let bytes: Vec<_> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(Data::parse(&bytes), Err(DataError::Damaged));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_so(at in 0_usize..200, word: u32, end in 0_usize..400) {
            let mut bytes = data().bytes();
            let at = at % (bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            bytes.truncate(end.max(8));
            if let Ok(data) = Data::parse(&bytes) {
                proptest::prop_assert_eq!(Data::parse(&data.bytes()), Ok(data));
            }
        }
    }

    #[test]
    fn versions() {
        assert_eq!(major(u32::from_be_bytes(*b"B22*")), Some(12));
        assert_eq!(major(u32::from_be_bytes(*b"A95R")), Some(9));
        assert_eq!(major(u32::from_be_bytes(*b"408*")), None);
        assert_eq!(Data::parse(b"#!/bin/sh"), Err(DataError::Other));
    }
}
