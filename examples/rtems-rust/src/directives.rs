// SPDX-License-Identifier: BSD-2-Clause
//! The directives of RTEMS that the example uses; prototypes and numbers as in `<rtems.h>`, checked by
//! `configuration.c`.

use core::num::NonZeroU32;

mod raw {
    use core::ffi::c_void;

    unsafe extern "C" {
        pub fn rtems_task_create(
            name: u32,
            priority: u32,
            stack_size: usize,
            modes: u32,
            attributes: u32,
            id: *mut u32,
        ) -> u32;
        pub fn rtems_task_start(id: u32, entry: extern "C" fn(usize), argument: usize) -> u32;
        pub safe fn rtems_task_self() -> u32;
        pub safe fn rtems_task_wake_after(ticks: u32) -> u32;
        pub safe fn rtems_clock_get_ticks_since_boot() -> u32;
        pub fn rtems_message_queue_create(name: u32, count: u32, size: usize, attributes: u32, id: *mut u32) -> u32;
        pub fn rtems_message_queue_send(id: u32, buffer: *const c_void, size: usize) -> u32;
        pub fn rtems_message_queue_receive(
            id: u32,
            buffer: *mut c_void,
            size: *mut usize,
            options: u32,
            ticks: u32,
        ) -> u32;
        pub safe fn rtems_event_send(id: u32, events: u32) -> u32;
        pub fn rtems_event_receive(events: u32, options: u32, ticks: u32, out: *mut u32) -> u32;
        pub safe fn rtems_shutdown_executive(code: u32) -> !;
    }
}

/// `RTEMS_EVENT_0`.
pub const EVENT_0: u32 = 1;
/// `RTEMS_DEFAULT_MODES`, `RTEMS_DEFAULT_ATTRIBUTES`, `RTEMS_WAIT | RTEMS_EVENT_ALL` and `RTEMS_NO_TIMEOUT`.
const DEFAULT: u32 = 0;

/// A status other than `RTEMS_SUCCESSFUL`, which is 0.
pub type Status = NonZeroU32;

fn status(number: u32) -> Result<(), Status> {
    Status::new(number).map_or(Ok(()), Err)
}

/// An object of RTEMS.
#[derive(Clone, Copy, Debug)]
pub struct Id(u32);

impl Id {
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u32 {
        self.0
    }
}

/// `rtems_build_name`.
const fn name(letters: [u8; 4]) -> u32 {
    u32::from_be_bytes(letters)
}

/// A message queue for numbers.
#[derive(Clone, Copy, Debug)]
pub struct Queue(Id);

impl Queue {
    pub fn create(letters: [u8; 4], count: u32) -> Result<Self, Status> {
        let mut id = 0;
        // SAFETY: RTEMS writes the id to a valid place.
        status(unsafe {
            raw::rtems_message_queue_create(name(letters), count, size_of::<u64>(), DEFAULT, &raw mut id)
        })?;
        Ok(Self(Id(id)))
    }

    /// The queue of that id.
    pub const fn from_id(id: Id) -> Self {
        Self(id)
    }

    pub const fn id(self) -> Id {
        self.0
    }

    pub fn send(self, number: u64) -> Result<(), Status> {
        // SAFETY: RTEMS copies the number before it returns.
        status(unsafe { raw::rtems_message_queue_send(self.0.0, (&raw const number).cast(), size_of::<u64>()) })
    }

    /// Waits for a number.
    pub fn receive(self) -> u64 {
        let mut number = 0_u64;
        let mut size = 0;
        // SAFETY: the buffer has room for the queue's largest message.
        let received = status(unsafe {
            raw::rtems_message_queue_receive(self.0.0, (&raw mut number).cast(), &raw mut size, DEFAULT, DEFAULT)
        });
        received.expect("the queue is never deleted");
        number
    }
}

/// Creates and starts a task.
pub fn task_start(
    letters: [u8; 4],
    priority: u32,
    stack_size: usize,
    entry: extern "C" fn(usize),
    argument: usize,
) -> Result<Id, Status> {
    let mut id = 0;
    // SAFETY: RTEMS writes the id to a valid place.
    status(unsafe { raw::rtems_task_create(name(letters), priority, stack_size, DEFAULT, DEFAULT, &raw mut id) })?;
    // SAFETY: the entry has the type that RTEMS calls, and the argument is a number.
    status(unsafe { raw::rtems_task_start(id, entry, argument) })?;
    Ok(Id(id))
}

pub fn task_self() -> Id {
    Id(raw::rtems_task_self())
}

pub fn wake_after(ticks: u32) {
    status(raw::rtems_task_wake_after(ticks)).expect("it has no error");
}

pub fn ticks_since_boot() -> u32 {
    raw::rtems_clock_get_ticks_since_boot()
}

pub fn event_send(task: Id, events: u32) {
    status(raw::rtems_event_send(task.0, events)).expect("the task lives");
}

/// Waits for all of `events`.
pub fn event_receive(events: u32) {
    let mut received = 0;
    // SAFETY: RTEMS writes the events to a valid place.
    let result = unsafe { raw::rtems_event_receive(events, DEFAULT, DEFAULT, &raw mut received) };
    status(result).expect("events were asked for");
}

pub fn shutdown(code: u32) -> ! {
    raw::rtems_shutdown_executive(code)
}
