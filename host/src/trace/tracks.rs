// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tracks of a trace, and the names by which whoever reads one knows what stands in it.

/// A track of every trace. Its number is its place on the screen, from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Track {
    /// The guest itself.
    Guest = 1,
    Calls,
    Idle,
    Pending,
    Ticks,
    Lateness,
    Console,
    Handlers,
    /// The first of the threads.
    Threads,
}

impl Track {
    /// Those below the guest's that are in every trace, with their names.
    pub(super) const ALL: [(Self, &str); 7] = [
        (Self::Calls, "host functions"),
        (Self::Idle, "idle"),
        (Self::Pending, "interrupts pending"),
        (Self::Ticks, "timer expirations"),
        (Self::Lateness, "expirations seen late by"),
        (Self::Console, "console"),
        (Self::Handlers, "interrupts handled"),
    ];
}

/// The function in which a guest idles; it has a track of its own.
pub(crate) const IDLE: &str = "pv_cpu_idle";

/// The name of [`Note::Lost`], by which a trace is known.
pub(super) const LOST: &str = "lost_events";

/// What is said beside an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Note {
    /// Host time in ns, where it is not guest time.
    Host = 1,
    /// Guest time in ns at which a timer was due.
    Due,
    /// Its number.
    Timer,
    /// How often it has expired.
    Expirations,
    /// Lines, a bit each.
    Lines,
    /// How an interrupt has come.
    Delivery,
    /// Bytes of the console.
    Bytes,
    /// The first of them.
    Text,
    /// How guest time passed.
    Time,
    /// Events that had to go for later ones.
    Lost,
    /// Number of a thread.
    Thread,
}

impl Note {
    /// All of them, with their names in a trace.
    pub(super) const ALL: [(Self, &str); 11] = [
        (Self::Host, "host_ns"),
        (Self::Due, "due_ns"),
        (Self::Timer, "timer"),
        (Self::Expirations, "expirations"),
        (Self::Lines, "lines"),
        (Self::Delivery, "delivery"),
        (Self::Bytes, "bytes"),
        (Self::Text, "text"),
        (Self::Time, "time"),
        (Self::Lost, LOST),
        (Self::Thread, "thread"),
    ];
}
