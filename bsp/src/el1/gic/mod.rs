// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arm's interrupt controller: the interface of the one processor, and what the two generations share.

mod v2;
mod v3;

use core::ptr::{read_volatile, with_exposed_provenance_mut, write_volatile};

use super::device_tree::Node;
use crate::local::Local;

/// Numbers from here on mean that nothing has come.
const NOTHING: u32 = 1020;
/// The first interrupt that is not of one processor.
const SHARED: u32 = 32;
/// Priority of all interrupts: below the threshold, and not secure.
const PRIORITY: u8 = 0xa0;

/// Registers of the distributor, the same in both generations.
const TYPE: usize = 0x004;
const GROUP: usize = 0x080;
const ENABLE: usize = 0x100;
const DISABLE: usize = 0x180;
const ACTIVE: usize = 0x300;
const CLEAR_ACTIVE: usize = 0x380;
const PRIORITIES: usize = 0x400;

/// A controller that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gic {
    /// Version 2: addresses of the distributor and the processor's interface.
    V2 {
        /// The distributor's.
        distributor: usize,
        /// The interface's.
        interface: usize,
    },
    /// Version 3 or 4: addresses of the distributor and the redistributors.
    V3 {
        /// The distributor's.
        distributor: usize,
        /// Of each region of redistributors, where it begins and ends; nothing, where there are no more.
        redistributors: [(usize, usize); REGIONS],
    },
}

/// Regions of redistributors that are known; the machine may have more.
pub const REGIONS: usize = 4;

impl Gic {
    /// Returns whether the node is one, by its name, and not switched off.
    #[must_use]
    pub fn is_named_by(node: &Node<'_>) -> bool {
        Self::is_second(node) || Self::is_third(node)
    }

    fn is_second(node: &Node<'_>) -> bool {
        node.is_any(&[b"arm,cortex-a15-gic", b"arm,cortex-a7-gic", b"arm,gic-400"])
    }

    fn is_third(node: &Node<'_>) -> bool {
        node.is_any(&[b"arm,gic-v3"])
    }

    /// The controller that the node describes, if it is one, and its registers have addresses.
    #[must_use]
    pub fn of(node: &Node<'_>) -> Option<Self> {
        let mut ranges = node
            .ranges(1 + REGIONS)
            .map(|(start, end)| (start as usize, end as usize));
        let (distributor, _) = ranges.next()?;
        if Self::is_third(node) {
            let count = node.number(b"#redistributor-regions").unwrap_or(1);
            let mut redistributors = [(0, 0); REGIONS];
            for (region, range) in redistributors.iter_mut().zip(ranges).take(count as usize) {
                *region = range;
            }
            Some(Self::V3 {
                distributor,
                redistributors,
            })
        } else if Self::is_second(node) {
            let (interface, _) = ranges.next()?;
            Some(Self::V2 { distributor, interface })
        } else {
            None
        }
    }
}

/// The interface of this processor: 0 for the third version's, else the second's.
static INTERFACE: Local<usize> = Local::new(0);

/// Starts the controller, with nothing let through but `interrupts`. Returns whether it has a part for this processor.
///
/// # Safety
/// Its registers are where it says, and mapped, and nobody else uses them.
pub unsafe fn start(gic: Gic, interrupts: &[u32]) -> bool {
    // SAFETY: passed on.
    unsafe {
        match gic {
            Gic::V2 { distributor, interface } => {
                INTERFACE.set(interface);
                v2::start(distributor, interface, interrupts);
                true
            }
            Gic::V3 {
                distributor,
                redistributors,
            } => v3::start(distributor, &redistributors, interrupts),
        }
    }
}

/// Calls `serve` with the number of each interrupt that has come. For the entry of interrupts.
pub fn take(mut serve: impl FnMut(u32)) {
    let interface = INTERFACE.get();
    loop {
        // SAFETY: the interface is the one that was started.
        let taken = unsafe {
            if interface == 0 {
                v3::acknowledge()
            } else {
                v2::acknowledge(interface)
            }
        };
        let number = taken & 0x3ff;
        if number >= NOTHING {
            return;
        }
        serve(number);
        // SAFETY: as above.
        unsafe {
            if interface == 0 {
                v3::end(taken)
            } else {
                v2::end(interface, taken)
            }
        };
    }
}

/// Reads a register.
///
/// # Safety
/// It is one of the controller.
unsafe fn read(address: usize) -> u32 {
    // SAFETY: the caller's part.
    unsafe { read_volatile(with_exposed_provenance_mut(address)) }
}

/// Writes a register.
///
/// # Safety
/// As above.
unsafe fn write(address: usize, value: u32) {
    // SAFETY: the caller's part.
    unsafe { write_volatile(with_exposed_provenance_mut(address), value) };
}

/// Number of the distributor's registers that have a bit for each interrupt.
///
/// # Safety
/// As above.
unsafe fn registers(distributor: usize) -> usize {
    // SAFETY: the caller's part.
    (unsafe { read(distributor + TYPE) } & 0x1f) as usize + 1
}

/// In the part of the controller whose registers begin at `base`: keeps away the interrupts that such a register has
/// bits for, which whoever ran before may have let through, and has none of them count as being served.
///
/// # Safety
/// As above.
unsafe fn clear(base: usize, register: usize) {
    // SAFETY: the caller's part.
    unsafe {
        write(base + DISABLE + 4 * register, u32::MAX);
        // Xen's has nothing to clear, says nothing is active, and complains of each such write.
        let active = read(base + ACTIVE + 4 * register);
        if active != 0 {
            write(base + CLEAR_ACTIVE + 4 * register, active);
        }
    }
}

/// In the part of the controller whose registers begin at `base`: puts the interrupt into group 1, gives it its
/// priority, and lets it through.
///
/// # Safety
/// As above.
unsafe fn let_through(base: usize, interrupt: u32) {
    let (register, bit) = (4 * (interrupt as usize / 32), 1 << (interrupt % 32));
    // SAFETY: the caller's part; each of these registers has a bit or a byte for each interrupt.
    unsafe {
        write(base + GROUP + register, read(base + GROUP + register) | bit);
        let priority = with_exposed_provenance_mut(base + PRIORITIES + interrupt as usize);
        write_volatile(priority, PRIORITY);
        write(base + ENABLE + register, bit);
    }
}
