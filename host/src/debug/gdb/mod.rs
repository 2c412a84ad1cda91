// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest for debuggers that speak the remote protocol of gdb: `gdb`, `gdb-multiarch`, `i386-rtems6-gdb`.
//!
//! The protocol is the crate gdbstub's. A [`Session`] has a [`Machine`], which is all that it knows of how the guest
//! runs, and gets the debugger's bytes one by one. Whoever talks there is not trusted: what it sends is garbage at
//! worst, and then the session is over.

mod architecture;
mod breakpoints;
mod file;
mod session;
mod target;
mod threads;

use std::ops::Range;

pub use gdbstub::conn::Connection;
pub use gdbstub::target::ext::breakpoints::WatchKind;
pub use session::{Over, Progress, Session};

use super::core::Area;
use super::memory::ReadMemory;
use super::registers::Registers;
use crate::image::Image;

/// What a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Runs,
    /// It stands between two instructions of the guest.
    Stands(Stop),
    /// The guest has ended.
    Ended(End),
}

/// Why a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody has [asked](Machine::interrupt) for it, or the guest is about to begin.
    Interrupted,
    /// A step is done.
    Stepped,
    /// Behind a breakpoint instruction, of the debugger's or the guest's.
    Breakpoint,
    /// Behind an access to what is watched at that address.
    Watch(Watched),
    /// Before an instruction that the processor refuses, which Linux has that signal for.
    Fault(u8),
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Which accesses.
    pub kind: WatchKind,
}

/// How a guest has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With that status.
    Exit(u8),
    /// By that signal.
    Signal(u8),
}

/// How a machine goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until it stops for another reason. `faults`: an instruction that was refused is not tried again, but the fault
    /// taken as it would be without a debugger.
    Continue {
        /// See above.
        faults: bool,
    },
    /// By one instruction, and then further as long as the next one is in that range.
    Step(Range<u64>),
    /// To its end at once.
    Kill,
}

/// A guest on a processor. While it [stands](State::Stands), all of it can be read and changed.
pub trait Machine: ReadMemory {
    /// What it does.
    fn state(&self) -> State;

    /// What the guest was loaded from.
    fn image(&self) -> &Image;

    /// Where that is, from the root on: gdb takes anything else for a name in a folder of its own.
    fn file_name(&self) -> &str;

    /// Its memory, sorted by address.
    fn regions(&self) -> &[Area];

    /// Returns whether a breakpoint instruction may be written there: it is the guest's own code.
    fn is_code(&self, address: u64) -> bool;

    /// The registers.
    fn registers(&self) -> Registers;

    /// Changes the registers, but no segment. Returns whether it can go on with them.
    fn set_registers(&mut self, registers: &Registers) -> bool;

    /// Writes memory, also such as the guest cannot. Returns whether all of it is the guest's.
    fn write(&mut self, address: u64, bytes: &[u8]) -> bool;

    /// Begins to watch. Returns whether it can.
    fn watch(&mut self, watched: Watched) -> bool;

    /// Ends it. Returns whether that was watched.
    fn unwatch(&mut self, watched: Watched) -> bool;

    /// Has it stand as soon as it can.
    fn interrupt(&mut self);

    /// Has it run on.
    fn resume(&mut self, how: &Resume);
}
