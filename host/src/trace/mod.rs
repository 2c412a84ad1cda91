// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest has done and when: recorded while it runs, written for [Perfetto](https://ui.perfetto.dev), and
//! evaluated.
//!
//! A guest that is built with [`Builder::trace`](crate::process::Builder::trace) leaves a [`Trace`], with
//! [`Trace::to_perfetto`] it becomes a file.

mod event;
mod histogram;
mod messages;
mod read;
mod svg;
mod timeline;
mod tracks;
mod write;

pub(crate) use event::Ring;
pub use event::{Delivery, Direction, Event, Stamp, TEXT};
pub use read::{Distribution, Interrupt, ReadError, Recording, Slice, Tick};
pub use svg::time as shown;
pub(crate) use tracks::IDLE;

/// Memory for events if nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 32 << 20;
/// Least and most memory for events, in bytes.
pub const MEMORY: std::ops::RangeInclusive<u64> = 4 << 10..=256 << 20;

/// What a guest has done.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The guest's name.
    pub guest: String,
    /// How guest time passed, in words.
    pub time: String,
    /// Names of the host functions that it calls.
    pub functions: Vec<String>,
    /// What happened, for each thread of the vCPU in the order in which it ended. Times are the guest's own doing in
    /// part, so that nothing may be counted on.
    pub events: Vec<Event>,
    /// How many events there were before these, for which there was no room.
    pub lost: u64,
    /// Names of threads, as the guest's operating system gave them.
    pub threads: Vec<ThreadName>,
    /// When it ended.
    pub end: Stamp,
}

/// From then on, the thread has that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadName {
    /// Guest time in ns.
    pub from: u64,
    /// The thread's number.
    pub thread: u32,
    /// Its name, with everything escaped in it that is not plain.
    pub name: String,
}
