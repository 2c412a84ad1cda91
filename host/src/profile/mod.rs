// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a guest's processor time goes: samples of who had called whom, taken while it runs, and unwound behind its
//! end.
//!
//! A guest that is built with [`Builder::profile`](crate::process::Builder::profile) leaves a [`Profile`].

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use inferno::flamegraph::{self, Options};

use crate::debug::memory::ReadMemory;
use crate::debug::unwind::{Unwinder, WalkEnd};
use crate::fault::Registers;
use crate::image::Image;

/// Bytes of a stack that are kept with a sample: of what lies deeper, nothing is known.
pub const STACK: usize = 8 * 1024;
/// Samples that are kept. If there are more, each has the same chance to be among them.
pub const SAMPLES: usize = 8 * 1024;
/// Processor time between two samples. Linux looks at a thread's processor time as often as its own clock ticks, which
/// may be as seldom as every 4 ms (CONFIG_HZ).
pub const PERIOD: Duration = Duration::from_millis(1);

/// Time for all stacks; what is left then is shown without callers.
const LONGEST: Duration = Duration::from_secs(10);

/// The guest at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Its registers; in a call of the host only stack and instruction pointer, as the call returns.
    pub(crate) registers: Registers,
    /// Where it was.
    pub(crate) place: Place,
    /// What its stack pointer pointed to.
    pub(crate) stack: Vec<u8>,
}

/// Where a guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In its own code.
    Guest,
    /// In the host function of that index.
    Function(u32),
    /// On the way between both.
    Gate,
}

/// Where a guest's processor time has gone.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Stacks, from the outermost function to the innermost, with the number of their samples.
    stacks: BTreeMap<String, u64>,
    /// Samples that were taken.
    taken: u64,
    guest: String,
}

impl Profile {
    /// Unwinds samples of a guest of that image, of which there were `taken`. `functions`: names of its host functions.
    pub(crate) fn new(image: &Image, samples: &[Sample], taken: u64, functions: &[String]) -> Self {
        let unwinder = Unwinder::new(image);
        let mut names = Names {
            image,
            by_address: HashMap::new(),
        };
        let end = Instant::now() + LONGEST;
        let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
        for sample in samples {
            let mut frames = Vec::new();
            if let Place::Function(index) = sample.place {
                let name = functions.get(index as usize).map_or("?", String::as_str);
                frames.push(format!("{name} (host)"));
            }
            if sample.place == Place::Gate {
                frames.push("gate (host)".to_owned());
            } else if Instant::now() < end {
                let is_exact = sample.place == Place::Guest;
                let memory = Memory { image, sample };
                let walk = unwinder.walk(&sample.registers.into(), is_exact, &memory);
                frames.extend(walk.frames.iter().map(|frame| names.of(frame.place())));
                if walk.end != WalkEnd::Outermost {
                    frames.push("unknown callers".to_owned());
                }
            } else {
                let instruction = sample.registers.instruction;
                frames.extend([names.of(instruction), "unknown callers".to_owned()]);
            }
            frames.reverse();
            *stacks.entry(frames.join(";")).or_default() += 1;
        }
        Self {
            stacks,
            taken,
            guest: Path::new(image.name())
                .file_name()
                .unwrap_or_default()
                .display()
                .to_string(),
        }
    }

    /// How many samples were taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// How many of them are shown.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.stacks.values().sum()
    }

    /// Folded stacks, as `flamegraph.pl`, inferno and speedscope read them: a line for each stack, functions from the
    /// outermost to the innermost with `;` between them, and how often it was seen.
    #[must_use]
    pub fn folded(&self) -> String {
        let mut folded = String::new();
        for (stack, count) in &self.stacks {
            let _ = writeln!(folded, "{stack} {count}");
        }
        folded
    }

    /// A flame graph, an SVG in which a browser zooms and searches.
    ///
    /// # Errors
    /// There is no sample.
    pub fn flame_graph(&self) -> Result<Vec<u8>, ProfileError> {
        if self.stacks.is_empty() {
            return Err(ProfileError);
        }
        let mut options = Options::default();
        options.title = format!("Processor time of {}", self.guest);
        options.subtitle = Some(format!("{} samples, {} shown", self.taken, self.shown()));
        options.deterministic = true;
        let folded = self.folded();
        let mut graph = Vec::new();
        flamegraph::from_lines(&mut options, folded.lines(), &mut graph).map_err(|_| ProfileError)?;
        Ok(graph)
    }
}

/// There is nothing to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no sample was taken: the guest has used less processor time than is between two of them, 1 to 4 ms")]
pub struct ProfileError;

/// Names of functions, found once each.
struct Names<'a> {
    image: &'a Image,
    by_address: HashMap<u64, String>,
}

impl Names<'_> {
    fn of(&mut self, address: u64) -> String {
        let find = || match self.image.symbols().function_at(address) {
            // Without the offset; and `;` stands between functions.
            Some(location) => {
                let text = location.to_string();
                let name = text.rsplit_once("+0x").map_or(text.as_str(), |(name, _)| name);
                name.replace(';', ":")
            }
            None => format!("{address:#x}"),
        };
        self.by_address.entry(address).or_insert_with(find).clone()
    }
}

/// The stack as it was, and the rest as the image has it.
struct Memory<'a> {
    image: &'a Image,
    sample: &'a Sample,
}

impl ReadMemory for Memory<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let offset = address.checked_sub(self.sample.registers.stack());
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        match offset.and_then(|offset| self.sample.stack.get(offset..)) {
            Some(rest) if !rest.is_empty() => {
                let size = rest.len().min(buffer.len());
                buffer[..size].copy_from_slice(&rest[..size]);
                size
            }
            _ => self.image.read(address, buffer),
        }
    }
}
