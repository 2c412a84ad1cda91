// SPDX-License-Identifier: MIT OR Apache-2.0
//! At which instructions the line is raised in which round.

use std::collections::HashSet;
use std::time::Duration;

use super::{Places, UPCALL};

/// Visits of an instruction in a round beyond this number count as one.
const VISITS: u32 = 3;
/// Raises in a round that could make frames pile up, and in the one that it is compared with.
const PILE: usize = 100;
const FEW: usize = 2;

/// An instruction in a round: its address, and the number of the visit (0 = first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    address: u64,
    visit: u32,
}

impl Key {
    pub(super) fn new(address: u64, visit: u32) -> Self {
        Self {
            address,
            visit: visit.min(VISITS),
        }
    }
}

/// Which pairs of instructions are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// On the path through an upcall: one in the upcall entry or low memory, one in the window; and as for `Long`, one
    /// in plain code.
    Short,
    /// On every path: both anywhere in the upcall entry or low memory; or the first in plain code, at the end of the
    /// path, where nothing but the return from its upcall finds the second.
    Long,
}

impl Effort {
    /// After that time the guest counts as hanging.
    pub(super) const fn limit(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(600),
            Self::Long => Duration::from_secs(3600),
        }
    }

    pub(super) fn on(self, path: u32) -> Pairs {
        match self {
            Self::Long => Pairs::All,
            Self::Short if path == UPCALL => Pairs::Window,
            Self::Short => Pairs::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairs {
    None,
    Window,
    All,
}

/// Returns whether what happens at the instruction matters most: in the upcall entry, or in the host's code in low
/// memory.
fn is_delicate(address: u64, places: &Places) -> bool {
    places.upcall.contains(&address) || places.is_low(address)
}

/// Where many raises could make frames pile up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PileAt {
    /// At every instruction of the window: the first always.
    Window,
    /// At the one before the window, with interrupts off, so that the window's test finds the line, and at the window's
    /// last.
    Ends,
}

/// The window as it was met.
#[derive(Clone, Debug, Default)]
struct Window {
    previous: u64,
    /// The instruction before its first.
    before: Option<u64>,
    last: u64,
}

impl Window {
    fn visit(&mut self, address: u64, places: &Places) {
        if address == places.window.start && places.upcall.contains(&self.previous) {
            self.before = Some(self.previous);
        }
        if places.window.contains(&address) {
            self.last = self.last.max(address);
        }
        self.previous = address;
    }
}

/// What the rounds of the moment do.
#[derive(Clone, Debug)]
enum Stage {
    /// Raise once, at the first instruction where that has not been done.
    Once,
    /// Raise at the last of `firsts`, then at the first instruction where that has not been done after it.
    Twice {
        firsts: Vec<Key>,
        seconds: HashSet<Key>,
    },
    /// Raise at certain instructions whenever they come, but at most `raises` times. `lowest` is the lowest stack
    /// address of the handler in the round before.
    Pile {
        at: PileAt,
        raises: usize,
        lowest: Option<u64>,
    },
    Done,
}

impl Stage {
    const fn pile(at: PileAt) -> Self {
        Self::Pile {
            at,
            raises: FEW,
            lowest: None,
        }
    }
}

/// The plan for a path.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pairs: Pairs,
    stage: Stage,
    /// Whether the round has done what it was to do; a round that has not ends its stage.
    fresh: bool,
    once: Vec<Key>,
    known: HashSet<Key>,
    /// The last instruction of plain code before the end of the path.
    plain: Option<Key>,
    window: Window,
    problem: Option<String>,
}

impl Plan {
    pub(super) fn new(pairs: Pairs) -> Self {
        Self {
            pairs,
            stage: Stage::Once,
            fresh: true,
            once: Vec::new(),
            known: HashSet::new(),
            plain: None,
            window: Window::default(),
            problem: None,
        }
    }

    /// Prepares for the next round. Returns whether there is one.
    pub(super) fn begin_round(&mut self, places: &Places) -> bool {
        if !self.fresh {
            self.advance(places);
        }
        self.fresh = false;
        !matches!(self.stage, Stage::Done)
    }

    fn advance(&mut self, places: &Places) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Once if self.pairs == Pairs::None => Stage::Done,
            Stage::Once => Stage::Twice {
                firsts: self
                    .once
                    .iter()
                    .copied()
                    .filter(|key| is_delicate(key.address, places))
                    .chain(self.plain)
                    .collect(),
                seconds: HashSet::new(),
            },
            Stage::Twice { mut firsts, .. } if firsts.len() > 1 => {
                firsts.pop();
                Stage::Twice {
                    firsts,
                    seconds: HashSet::new(),
                }
            }
            Stage::Twice { .. } => Stage::pile(PileAt::Window),
            Stage::Pile { at: PileAt::Window, .. } => Stage::pile(PileAt::Ends),
            Stage::Pile { .. } | Stage::Done => Stage::Done,
        };
    }

    /// Returns whether the line is to be raised at this instruction, with that many raises so far in this round.
    /// `interruptible`: whether that would interrupt the guest at once.
    pub(super) fn wants(&mut self, key: Key, interruptible: bool, raises: usize, places: &Places) -> bool {
        self.window.visit(key.address, places);
        match &mut self.stage {
            Stage::Once => {
                let wanted = raises == 0 && self.known.insert(key);
                if wanted {
                    self.once.push(key);
                    self.fresh = true;
                    if interruptible && places.is_plain(key.address) {
                        self.plain = Some(key);
                    }
                }
                wanted
            }
            Stage::Twice { firsts, seconds } => match raises {
                0 => firsts.last() == Some(&key),
                1 => {
                    let anywhere = self.pairs == Pairs::All || firsts.last() == self.plain.as_ref();
                    let wanted = if anywhere {
                        is_delicate(key.address, places)
                    } else {
                        places.window.contains(&key.address)
                    };
                    let wanted = wanted && seconds.insert(key);
                    self.fresh |= wanted;
                    wanted
                }
                _ => false,
            },
            Stage::Pile { at, raises: most, .. } => {
                raises < *most
                    && match at {
                        PileAt::Window => places.window.contains(&key.address),
                        PileAt::Ends => self.window.before == Some(key.address) || self.window.last == key.address,
                    }
            }
            Stage::Done => false,
        }
    }

    /// `lowest`: the lowest stack address of the handler in the round.
    pub(super) fn end_round(&mut self, lowest: u64) {
        let Stage::Pile {
            at,
            raises,
            lowest: before,
        } = &mut self.stage
        else {
            return;
        };
        match *before {
            None => {
                *before = Some(lowest);
                *raises = PILE;
                self.fresh = true;
            }
            Some(few) if few != lowest => {
                self.problem = Some(format!(
                    "stack at {few:#x} after {FEW} raises ({at:?}), at {lowest:#x} after {PILE}"
                ));
            }
            Some(_) => {}
        }
    }

    pub(super) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
