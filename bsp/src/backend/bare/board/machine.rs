// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the device tree says of the machine, as far as it matters here.

use crate::el1::device_tree::{DeviceTree, Node, Problem};
use crate::el1::gic::Gic;
use crate::el1::paging;

/// Most ranges of memory that are used, and most reserved ones that are left out of them. Where there are more reserved
/// ones, no memory beside the image is used.
const RANGES: usize = 8;
const RESERVED: usize = 16;

/// Interrupt of the virtual timer among those of its node: secure, not secure, virtual, hypervisor's.
const VIRTUAL: usize = 2;

/// Ranges in ascending order of their starts.
#[derive(Clone, Copy)]
pub(super) struct Ranges<const MOST: usize> {
    ranges: [(u64, u64); MOST],
    count: usize,
    /// Whether there were more.
    pub(super) is_short: bool,
}

impl<const MOST: usize> Ranges<MOST> {
    const fn new() -> Self {
        Self {
            ranges: [(0, 0); MOST],
            count: 0,
            is_short: false,
        }
    }

    pub(super) fn add(&mut self, range: (u64, u64)) {
        if range.0 >= range.1 {
            return;
        }
        if self.count == MOST {
            self.is_short = true;
            return;
        }
        let mut index = self.count;
        while index > 0 && self.ranges[index - 1].0 > range.0 {
            self.ranges[index] = self.ranges[index - 1];
            index -= 1;
        }
        self.ranges[index] = range;
        self.count += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.into_iter().take(self.count)
    }
}

/// The machine.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    /// Its memory.
    pub(super) memory: Ranges<RANGES>,
    /// What of it belongs to others.
    pub(super) reserved: Ranges<RESERVED>,
    /// What of that may not be mapped, either; where that is finer than mapping is, the image goes before it.
    pub(super) unmapped: Ranges<RESERVED>,
    /// The interrupt controller, if it is known.
    pub(super) gic: Option<Gic>,
    /// What an interrupt controller is compatible with that will not do, and whether that is known.
    pub(super) other_controller: Option<(&'static [u8], bool)>,
    /// Interrupt of the processor's virtual timer.
    pub(super) timer: Option<u32>,
    /// Rate of its counter in Hz, where the firmware does not say it to the processor.
    pub(super) rate: Option<u64>,
    /// Registers of the clock.
    pub(super) clock: Option<u64>,
    /// The command line.
    pub(super) arguments: &'static [u8],
}

impl Machine {
    /// Reads it.
    ///
    /// # Errors
    /// The tree is damaged.
    pub(super) fn read(tree: DeviceTree) -> Result<Self, Problem> {
        let mut machine = Self {
            memory: Ranges::new(),
            reserved: Ranges::new(),
            unmapped: Ranges::new(),
            gic: None,
            other_controller: None,
            timer: None,
            rate: None,
            clock: None,
            arguments: b"",
        };
        tree.for_each(|node| machine.take(node))?;
        tree.for_each_reservation(RESERVED + 1, |start, end| machine.reserved.add((start, end)));
        Ok(machine)
    }

    fn take(&mut self, node: &Node<'_>) {
        if node.is_at_root(b"chosen") {
            self.arguments = node.text(b"bootargs").unwrap_or_default();
        } else if node.is_memory() {
            node.ranges(RANGES + 1).for_each(|range| self.memory.add(range));
        } else if node.is_reserved_memory() {
            let may_be_mapped = node.property(b"no-map").is_none();
            for range in node.ranges(RESERVED + 1) {
                if may_be_mapped {
                    self.reserved.add(range);
                } else {
                    let around = paging::around(range);
                    self.reserved.add(around);
                    self.unmapped.add(around);
                }
            }
        } else if node.is_any(&[b"arm,pl031"]) {
            self.clock = node.ranges(1).next().map(|(start, _)| start);
        } else if node.is_any(&[b"arm,armv8-timer"]) {
            self.timer = node.named_interrupt(b"virt", VIRTUAL);
            self.rate = node.number(b"clock-frequency");
        } else if node.is_interrupt_controller() && self.gic.is_none() {
            self.gic = Gic::of(node);
            if self.gic.is_none() && self.other_controller.is_none() {
                let name = node.text(b"compatible").unwrap_or_default();
                self.other_controller = Some((name, Gic::is_named_by(node)));
            }
        }
    }
}
