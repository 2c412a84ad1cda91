// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where an image's code is, cut at its symbols.

use std::fmt;
use std::ops::Range;

use super::{Gap, GapReason};
use crate::image::{CodeSymbol, Image, Section};

/// Functions within functions beyond that are not told apart, so that a hostile symbol table costs no more than others.
const MAX_NESTING: usize = 16;

/// What a piece of code is called. The text is made only for what is found: it may be a thousand times as long as what the file
/// has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Symbol(CodeSymbol<'a>),
    /// Addresses, where no symbol tells.
    Range(Range<u64>),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(symbol) => f.write_str(&symbol.name()),
            Self::Range(range) => write!(f, "{:#x}-{:#x}", range.start, range.end),
        }
    }
}

/// Code from one symbol to the next.
pub(super) struct Piece<'a> {
    pub(super) function: Name<'a>,
    /// Whether it lies in what a symbol says to be a function of that size.
    pub(super) in_function: bool,
    pub(super) address: u64,
    pub(super) bytes: &'a [u8],
}

/// An image's code, and what else its executable segments hold.
#[derive(Default)]
pub(super) struct Code<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) gaps: Vec<Gap>,
}

/// The code of the executable segments, as far as sections mark it.
pub(super) fn of(image: &Image) -> Code<'_> {
    let mut code = Code::default();
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
            code.gap(next..start, GapReason::NoSection);
            next = stop;
            if section.executable {
                let from = (start - segment.address) as usize;
                let to = (stop - segment.address) as usize;
                code.cut(image, section, start, &segment.data()[from..to]);
            } else {
                let section = section.name.clone();
                code.gap(start..stop, GapReason::Data { section });
            }
        }
        code.gap(next..end, GapReason::NoSection);
    }
    code
}

impl<'a> Code<'a> {
    fn gap(&mut self, range: Range<u64>, reason: GapReason) {
        if !range.is_empty() {
            self.gaps.push(Gap {
                address: range.start,
                size: range.end - range.start,
                reason,
            });
        }
    }

    /// Cuts the code of a section at its symbols.
    fn cut(&mut self, image: &'a Image, section: &Section, start: u64, bytes: &'a [u8]) {
        let end = start + bytes.len() as u64;
        let unnamed = Name::Range(section.address..section.end());
        // The functions that hold the current address, the innermost last, with their ends; and the last label without a size.
        let mut functions: Vec<(u64, CodeSymbol<'a>)> = Vec::new();
        let mut label = unnamed.clone();
        let mut from = start;
        let mut symbols = image.symbols().code(start..end).peekable();
        while from < end {
            let inside = !functions.is_empty();
            functions.retain(|(stop, _)| *stop > from);
            if inside && functions.is_empty() {
                // Labels inside a function say nothing about what follows it.
                label = unnamed.clone();
            }
            while let Some(symbol) = symbols.next_if(|symbol| symbol.address <= from) {
                match symbol.size {
                    0 => label = Name::Symbol(symbol),
                    size if functions.len() < MAX_NESTING => {
                        functions.push((symbol.address.saturating_add(size), symbol));
                    }
                    _ => {}
                }
            }
            let function = match functions.last() {
                Some((_, symbol)) => Name::Symbol(symbol.clone()),
                None => label.clone(),
            };
            let ends = functions.iter().map(|(stop, _)| *stop).min();
            let to = [Some(end), ends, symbols.peek().map(|symbol| symbol.address)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(end);
            self.pieces.push(Piece {
                function,
                in_function: functions.iter().any(|(_, symbol)| symbol.is_function),
                address: from,
                bytes: &bytes[(from - start) as usize..(to - start) as usize],
            });
            from = to;
        }
    }
}
