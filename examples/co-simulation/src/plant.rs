// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two tanks in series: water comes into the first by a valve, flows from there into the second by a pipe, and out by
//! another valve. In integers, so that `co_simulation.py`, which has the same model, finds the very same.

/// A valve that is wholly open.
const OPEN: i64 = 1_000_000;
/// What the first valve lets in at most, in nanometres of the level for each millisecond.
const INFLOW: i64 = 2_000_000;
/// Of the first tank's level, this part flows into the second in a millisecond.
const PIPE: i64 = 500;
/// Of the second tank's level, the second valve lets out this part at most.
const OUTLET: i64 = 200;

/// The tanks' levels in nanometres.
#[derive(Default)]
pub struct Plant {
    levels: [i64; 2],
}

impl Plant {
    /// What the sensors show, in micrometres.
    pub fn levels(&self) -> [i32; 2] {
        // A tank is a metre high.
        self.levels.map(|level| (level / 1000) as i32)
    }

    /// A millisecond passes, in which the valves are open that far, in millionths.
    pub fn step(&mut self, valves: [i32; 2]) {
        let [inlet, outlet] = valves.map(|valve| i64::from(valve).clamp(0, OPEN));
        let [first, second] = self.levels;
        let inflow = INFLOW * inlet / OPEN;
        let between = first / PIPE;
        let outflow = second / OUTLET * outlet / OPEN;
        self.levels = [first + inflow - between, second + between - outflow];
    }
}
