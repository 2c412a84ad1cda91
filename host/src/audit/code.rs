// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where an image's code is, cut at its symbols, and at the marks of data among it.

use std::fmt;
use std::ops::Range;

use super::{Gap, GapReason};
use crate::image::{CodeSymbol, Image, Mark, Section};

/// Functions within functions beyond that are not told apart, so that a hostile symbol table costs no more than others.
const MAX_NESTING: usize = 16;

/// What a piece of code is called. The text is made only for what is found: it may be a thousand times as long as what
/// the file has of it.
#[derive(Clone, Debug)]
pub(super) enum Name<'a> {
    Symbol(CodeSymbol<'a>),
    /// Addresses, where no symbol tells.
    Range(Range<u64>),
}

impl Name<'_> {
    /// Returns whether it names the same function or range of the image, without a look at its text.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Symbol(one), Self::Symbol(other)) => (one.address, one.size) == (other.address, other.size),
            (Self::Range(one), Self::Range(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(symbol) => f.write_str(&symbol.name()),
            Self::Range(range) => write!(f, "{:#x}-{:#x}", range.start, range.end),
        }
    }
}

/// Code from one symbol, or mark, to the next.
pub(super) struct Piece<'a> {
    pub(super) function: Name<'a>,
    /// Whether it lies in what a symbol says to be a function of that size.
    pub(super) in_function: bool,
    pub(super) address: u64,
    pub(super) bytes: &'a [u8],
}

/// A part of an executable segment.
pub(super) enum Part<'a> {
    Code(Piece<'a>),
    /// In a section of code, but marked as data.
    Marked(Piece<'a>),
    /// Not marked as code.
    Other(Gap),
}

/// Hands over the parts of the executable segments by address, one by one since there may be millions, until `take`
/// fails.
pub(super) fn walk<'a, E>(image: &'a Image, take: &mut impl FnMut(Part<'a>) -> Result<(), E>) -> Result<(), E> {
    let symbols = image.symbols().code(0..u64::MAX);
    let marks = image.symbols().marks();
    for segment in image.segments().iter().filter(|s| s.access.execute) {
        let end = segment.address + segment.data().len() as u64;
        let mut next = segment.address;
        for section in image.sections() {
            // What another section has covered is not covered twice.
            let start = section.address.max(next);
            let stop = section.end().min(end);
            if start >= stop {
                continue;
            }
            other(next..start, GapReason::NoSection, take)?;
            next = stop;
            if section.executable {
                let from = (start - segment.address) as usize;
                let to = (stop - segment.address) as usize;
                cut((&symbols, &marks), section, start, &segment.data()[from..to], take)?;
            } else {
                let section = section.name.clone();
                other(start..stop, GapReason::Data(section), take)?;
            }
        }
        other(next..end, GapReason::NoSection, take)?;
    }
    Ok(())
}

fn other<'a, E>(
    range: Range<u64>,
    reason: GapReason,
    take: &mut impl FnMut(Part<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if range.is_empty() {
        return Ok(());
    }
    take(Part::Other(Gap {
        address: range.start,
        size: range.end - range.start,
        reason,
    }))
}

/// Cuts the code of a section at the symbols and marks, which are sorted by address. What no mark is for is code.
fn cut<'a, E>(
    (symbols, marks): (&[CodeSymbol<'a>], &[Mark]),
    section: &Section,
    start: u64,
    bytes: &'a [u8],
    take: &mut impl FnMut(Part<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let end = start + bytes.len() as u64;
    let unnamed = Name::Range(section.address..section.end());
    // The functions that hold the current address, the innermost last, with their ends; and the last label without a
    // size.
    let mut functions: Vec<(u64, &CodeSymbol<'a>)> = Vec::new();
    let mut label = None;
    let mut from = start;
    let first = symbols.partition_point(|symbol| symbol.address < start);
    let mut symbols = symbols[first..]
        .iter()
        .take_while(|symbol| symbol.address < end)
        .peekable();
    let mut is_code = true;
    let first = marks.partition_point(|mark| mark.address < start);
    let mut marks = marks[first..].iter().peekable();
    while from < end {
        while let Some(mark) = marks.next_if(|mark| mark.address <= from) {
            is_code = mark.is_code;
        }
        let inside = !functions.is_empty();
        functions.retain(|(stop, _)| *stop > from);
        if inside && functions.is_empty() {
            // Labels inside a function say nothing about what follows it.
            label = None;
        }
        while let Some(symbol) = symbols.next_if(|symbol| symbol.address <= from) {
            match symbol.size {
                0 => label = Some(symbol),
                size if functions.len() < MAX_NESTING => {
                    functions.push((symbol.address.saturating_add(size), symbol));
                }
                _ => {}
            }
        }
        let function = match functions.last().map(|(_, symbol)| *symbol).or(label) {
            Some(symbol) => Name::Symbol(symbol.clone()),
            None => unnamed.clone(),
        };
        let ends = functions.iter().map(|(stop, _)| *stop).min();
        let symbol = symbols.peek().map(|symbol| symbol.address);
        let mark = marks.peek().map(|mark| mark.address);
        let to = [ends, symbol, mark].into_iter().flatten().fold(end, u64::min);
        let piece = Piece {
            function,
            in_function: functions.iter().any(|(_, symbol)| symbol.is_function),
            address: from,
            bytes: &bytes[(from - start) as usize..(to - start) as usize],
        };
        take(if is_code {
            Part::Code(piece)
        } else {
            Part::Marked(piece)
        })?;
        from = to;
    }
    Ok(())
}
