// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4RTEMS images, for i386: what they find when they are entered, and how they call. Images with an identity note may
//! call the same functions, too. See [`paravirt_abi::l4rtems`].
//!
//! What an L4RTEMS image finds in memory when it is entered: the state of a vCPU, the Multiboot information, the shared
//! variables, the command line.
//!
//! The L4RTEMS functions, by those of the interface. For host functions, as the interface is.
//!
//! Offered are console and time. Interrupts are not, unless the image has a vCPU page as well: in L4RTEMS an interrupt
//! entered the guest through the vCPU of the L4 microkernel, and the guest's handler returned by one of its system
//! calls, which a host does not have, or not in that form. So `l4rtems_requestIrq` refuses, as it did for
//! interrupts that were not there. Ports are not offered: user mode has none to grant.

mod code;

use alloc::vec;
use alloc::vec::Vec;
use core::mem::offset_of;

pub use code::{Code, Start};
use paravirt_abi::l4rtems::{self, Multiboot, SharedVariables};
use paravirt_abi::line;

use crate::guest::{Guest, Platform};

/// Whether `name` is that of an L4RTEMS function that hosts offer: all but those for ports.
#[must_use]
pub fn is_offered(name: &str) -> bool {
    l4rtems::find(name).is_some_and(|function| !function.is_for_ports())
}

/// Bytes for the state of L4's vCPU. The guest keeps its interrupt flag there; this host does not read it.
const VCPU_STATE: u64 = 0x400;
const MULTIBOOT: u64 = VCPU_STATE;
const SHARED: u64 = MULTIBOOT + size_of::<Multiboot>() as u64;
const COMMAND_LINE: u64 = SHARED + size_of::<SharedVariables>() as u64;

/// First byte behind the memory that Multiboot calls lower.
const UPPER_START: u64 = 1 << 20;

/// Size in bytes of the block for a command line.
#[must_use]
pub const fn block_size(command_line: &str) -> u64 {
    COMMAND_LINE + command_line.len() as u64 + 1
}

/// The block as it lies at `address`, all of it below 4 GiB.
#[derive(Clone, Debug)]
pub struct Block {
    /// What lies there.
    pub bytes: Vec<u8>,
    /// Address of the Multiboot information.
    pub multiboot: u64,
    /// Address of the shared variables.
    pub shared: u64,
}

/// What the guest loads into segment registers, after an interrupt of L4RTEMS for instance.
#[derive(Clone, Copy, Debug)]
pub struct Selectors {
    /// Its data segment.
    pub ds: u16,
    /// What the host has in `fs`, where L4 finds the thread's own data.
    pub fs: u16,
}

/// The block for a guest whose memory ends at `memory_end`. `resolver` is the address of the resolver of lazy binding.
#[must_use]
pub fn block(address: u64, memory_end: u64, selectors: Selectors, resolver: u64, command_line: &str) -> Block {
    let mut bytes = vec![0; block_size(command_line) as usize];
    let mut put = |offset: u64, field: usize, value: u64| {
        let at = offset as usize + field;
        bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    // Memory sizes and the command line are valid.
    put(MULTIBOOT, offset_of!(Multiboot, flags), 1 << 0 | 1 << 2);
    let upper = memory_end.saturating_sub(UPPER_START) / 1024;
    put(MULTIBOOT, offset_of!(Multiboot, upper), upper);
    let text = address + COMMAND_LINE;
    put(MULTIBOOT, offset_of!(Multiboot, command_line), text);
    put(SHARED, offset_of!(SharedVariables, vcpu), address);
    let Selectors { ds, fs } = selectors;
    put(SHARED, offset_of!(SharedVariables, ds), ds.into());
    put(SHARED, offset_of!(SharedVariables, fs), fs.into());
    put(SHARED, offset_of!(SharedVariables, resolver), resolver);
    let text = COMMAND_LINE as usize;
    bytes[text..text + command_line.len()].copy_from_slice(command_line.as_bytes());
    Block {
        bytes,
        multiboot: address + MULTIBOOT,
        shared: address + SHARED,
    }
}

/// Nanoseconds in a microsecond, the unit of L4RTEMS.
const MICROSECOND: u64 = 1_000;

#[allow(non_snake_case, reason = "L4RTEMS named some of them so")]
impl<P: Platform> Guest<P> {
    /// Writes a character.
    pub fn l4rtems_outch(&self, character: i8) {
        let byte = match character as u8 {
            0 => b'\n',
            byte => byte,
        };
        // There is nothing to tell the guest; so below.
        let _ = self.platform().console_write(&[byte]);
    }

    /// `l4rtems_inch`; -1 if there is no byte, for whatever reason: its callers compare with that.
    pub fn l4rtems_inch(&self) -> i32 {
        let mut byte = [0];
        match self.take_input(&mut byte) {
            Ok(1) => byte[0].into(),
            _ => -1,
        }
    }

    /// `l4rtems_requestIrq`, which returns a C `bool`.
    pub fn l4rtems_requestIrq(&self, number: u32) -> u8 {
        (self.takes_interrupts && self.pv_irq_attach(number).is_ok()).into()
    }

    /// `l4rtems_detachIrq`.
    pub fn l4rtems_detachIrq(&self, number: u32) {
        if number == line::TIMER {
            self.l4rtems_timer_stop();
        }
        let _ = self.pv_irq_detach(number);
    }

    /// `l4rtems_timer_start`.
    pub fn l4rtems_timer_start(&self, period: u64, first: u64) {
        let first = if first == 0 { period } else { first };
        let _ = self.pv_timer_start(0, to_ns(first), to_ns(period));
    }

    /// `l4rtems_timer_stop`.
    pub fn l4rtems_timer_stop(&self) {
        let _ = self.pv_timer_stop(0);
    }

    /// `l4rtems_timer_read`.
    pub fn l4rtems_timer_read(&self) -> u32 {
        from_ns(self.pv_clock_now())
    }
}

/// A time of L4RTEMS in ns; one that is too long is the longest.
const fn to_ns(time: u64) -> u64 {
    time.saturating_mul(MICROSECOND)
}

/// What the clock of L4RTEMS shows at that time in ns: the lower half.
const fn from_ns(ns: u64) -> u32 {
    (ns / MICROSECOND) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_l4rtems_time_that_is_too_long_is_the_longest() {
        assert_eq!(to_ns(10_000), 10_000_000);
        assert_eq!(to_ns(u64::MAX / 1_000), u64::MAX / 1_000 * 1_000);
        for long in [u64::MAX / 1_000 + 1, 1 << 63, u64::MAX] {
            assert_eq!(to_ns(long), u64::MAX, "{long}");
        }
    }

    #[test]
    fn the_l4rtems_clock_shows_the_lower_half_of_its_time() {
        assert_eq!(from_ns(1_999), 1);
        assert_eq!(from_ns((1 << 32) * 1_000 - 1), u32::MAX);
        assert_eq!(from_ns(((3 << 32) + 7) * 1_000), 7);
    }
}
