// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a guest was, and who had called what it was in: for reports.

use std::fmt;

use super::information::Information;
use super::memory::ReadMemory;
use super::unwind::{Frame, Unwinder, Walk, WalkEnd};
use crate::fault::{AnyRegisters, Caller, Fault, Location};
use crate::image::Image;

/// More callers are counted, but not told one by one.
const MOST: usize = 24;

/// A place in a guest and its callers. [`fmt::Display`] prints several lines.
#[derive(Clone, Debug)]
pub struct Backtrace {
    /// Where the guest was.
    pub location: Location,
    /// Who called that, the innermost first.
    pub callers: Vec<Caller>,
    /// Why there are no more of them, unless the last is the first code that ran.
    pub end: Option<String>,
}

impl Backtrace {
    /// Of a guest with these registers, whose stack is in that memory. `is_exact`: as of [`Unwinder::walk`].
    #[must_use]
    pub fn new(image: &Image, registers: &AnyRegisters, is_exact: bool, memory: &dyn ReadMemory) -> Self {
        let Walk { frames, end } = Unwinder::new(image).walk(registers, is_exact, memory);
        let (first, others) = frames.split_first().expect("a walk has a frame");
        // A function that calls itself is one caller.
        let mut groups: Vec<&[Frame]> = others
            .chunk_by(|one, other| (one.instruction, one.is_exact) == (other.instruction, other.is_exact))
            .collect();
        let more = groups.get(MOST..).unwrap_or_default().concat().len();
        groups.truncate(MOST);
        let shown = std::iter::once(*first).chain(groups.iter().map(|group| group[0]));
        let mut locations = locate(image, &shown.collect::<Vec<_>>()).into_iter();
        let location = locations.next().expect("that of the first frame");
        let callers = locations.zip(groups).map(|(location, group)| Caller {
            location,
            interrupted: group[0].is_exact,
            times: group.len() as u64,
        });
        let end = match (frames.last(), end) {
            (_, WalkEnd::Outermost) if more == 0 => None,
            (Some(last), end) if more > 0 => {
                let last = Location::in_image(last.instruction, last.is_exact, image);
                Some(match end {
                    WalkEnd::Outermost => format!("and {more} more callers, the outermost {last}"),
                    end => format!("and {more} more callers, up to {last}; {end}"),
                })
            }
            (_, end) => Some(end.to_string()),
        };
        Self {
            location,
            callers: callers.collect(),
            end,
        }
    }

    /// Adds to a fault's report, of the same guest, what is known by this.
    pub fn explain(self, fault: &mut Fault) {
        let mut callers = self.callers;
        if let Some(location) = &mut fault.location
            && location.address == self.location.address
        {
            location.source = self.location.source;
        }
        // In a call of a host function it is the first caller, and after a jump to what is no code that has its own
        // line.
        for place in [&mut fault.location, &mut fault.caller].into_iter().flatten() {
            let is_first = |first: &Caller| first.location.address == place.address;
            if callers.first().is_some_and(is_first) {
                place.source = callers.remove(0).location.source;
            }
        }
        fault.callers = callers;
        fault.callers_end = self.end;
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  at {}", self.location)?;
        for caller in &self.callers {
            write!(f, "\n  {caller}")?;
        }
        match &self.end {
            Some(end) => write!(f, "\n  ({end})"),
            None => Ok(()),
        }
    }
}

/// The frames with functions and sources.
fn locate(image: &Image, frames: &[Frame]) -> Vec<Location> {
    let mut locations: Vec<_> = frames
        .iter()
        .map(|frame| Location::in_image(frame.instruction, frame.is_exact, image))
        .collect();
    if let Some(information) = Information::new(image) {
        // Elsewhere, debug information is of code that the linker has dropped and left at address 0.
        let of_code: Vec<_> = frames
            .iter()
            .zip(&mut locations)
            .filter(|(frame, _)| {
                let segment = image.segment_at(frame.place(), 1);
                segment.is_some_and(|segment| segment.access.execute)
            })
            .collect();
        let places: Vec<_> = of_code.iter().map(|(frame, _)| frame.place()).collect();
        for ((_, location), source) in of_code.into_iter().zip(information.sources(&places)) {
            location.source = source;
        }
    }
    locations
}
