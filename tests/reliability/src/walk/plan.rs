// SPDX-License-Identifier: MIT OR Apache-2.0
//! At which instructions the line is raised in which round.

use std::collections::HashSet;

use super::{Places, UPCALL};

/// Visits of an instruction in a round beyond this number count as one.
const VISITS: u32 = 3;
/// Raises in a round that raises at every instruction of the window.
const PILE: usize = 100;

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
    /// On the path through an upcall: one in the upcall entry or low memory, one in the window.
    Short,
    /// On every path: both anywhere in the upcall entry or low memory.
    Long,
}

impl Effort {
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

impl Pairs {
    fn wants(self, second: u64, places: &Places) -> bool {
        match self {
            Self::None => false,
            Self::Window => places.window.contains(&second),
            Self::All => is_delicate(second, places),
        }
    }
}

/// Whether what happens at the instruction matters most: in the upcall entry, or in the host's code in low memory.
fn is_delicate(address: u64, places: &Places) -> bool {
    places.upcall.contains(&address) || places.is_low(address)
}

/// What the rounds of the moment do.
#[derive(Debug)]
enum Stage {
    /// Raise once, at the first instruction where that has not been done.
    Once,
    /// Raise at the last of `firsts`, then at the first instruction where that has not been done after it.
    Twice {
        firsts: Vec<Key>,
        seconds: HashSet<Key>,
    },
    /// Raise at the window's instructions, as often as that comes to, but at most `raises` times. `lowest` is the lowest stack
    /// address of the handler in the round before.
    Pile {
        raises: usize,
        lowest: Option<u64>,
    },
    Done,
}

/// The plan for a path.
#[derive(Debug)]
pub(super) struct Plan {
    pairs: Pairs,
    stage: Stage,
    /// Whether the round has done what it was to do; a round that has not ends its stage.
    fresh: bool,
    once: Vec<Key>,
    known: HashSet<Key>,
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
            problem: None,
        }
    }

    /// Prepares for the next round; whether there is one.
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
            Stage::Twice { .. } => Stage::Pile {
                raises: 1,
                lowest: None,
            },
            Stage::Pile { .. } | Stage::Done => Stage::Done,
        };
    }

    /// Whether the line is to be raised at this instruction, with that many raises so far in this round.
    pub(super) fn wants(&mut self, key: Key, raises: usize, places: &Places) -> bool {
        match &mut self.stage {
            Stage::Once => {
                let wanted = raises == 0 && self.known.insert(key);
                if wanted {
                    self.once.push(key);
                    self.fresh = true;
                }
                wanted
            }
            Stage::Twice { firsts, seconds } => match raises {
                0 => firsts.last() == Some(&key),
                1 => {
                    let wanted = self.pairs.wants(key.address, places) && seconds.insert(key);
                    self.fresh |= wanted;
                    wanted
                }
                _ => false,
            },
            Stage::Pile { raises: most, .. } => {
                raises < *most && places.window.contains(&key.address)
            }
            Stage::Done => false,
        }
    }

    /// `lowest`: the lowest stack address of the handler in the round.
    pub(super) fn end_round(&mut self, lowest: u64) {
        if let Stage::Pile {
            raises,
            lowest: before,
        } = &mut self.stage
        {
            match *before {
                None => {
                    *before = Some(lowest);
                    *raises = PILE;
                    self.fresh = true;
                }
                Some(once) if once != lowest => {
                    self.problem = Some(format!(
                        "stack at {lowest:#x} after {PILE} raises in the window, at {once:#x} after one"
                    ));
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
