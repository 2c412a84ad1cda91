// SPDX-License-Identifier: MIT OR Apache-2.0
//! The debugger's thread: has the port, and debuggers one after the other.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gdbstub::conn::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::link::Link;
use super::machine::ProcessMachine;
use crate::debug::gdb::{Machine, Over, Progress, Resume, Session, State};
use crate::process::port::Port;

/// Bytes read and written at a time.
const CHUNK: usize = 16 * 1024;
/// How long a debugger may take no bytes that are for it; and to read that its guest has ended.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
const LAST_WRITE_LIMIT: Duration = Duration::from_secs(1);
/// How often a guest that is to stand is told so: it may be in a host function that takes a while.
const AGAIN: Duration = Duration::from_millis(20);

/// What debuggers come to; a session writes to it while its bytes are read.
type SharedPort = Rc<RefCell<Box<dyn Port>>>;

/// Serves debuggers until the guest has ended.
pub(super) fn serve(port: Box<dyn Port>, machine: &mut ProcessMachine) {
    let port: SharedPort = Rc::new(RefCell::new(port));
    while !has_ended(machine) {
        if port.borrow_mut().admit() {
            serve_one(&port, machine);
            port.borrow_mut().dismiss();
        } else {
            wait(machine, &[port.borrow().door()], None);
        }
    }
}

fn has_ended(machine: &ProcessMachine) -> bool {
    matches!(machine.state(), State::Ended(_))
}

/// Waits until one of the descriptors can be read, the guest's state has changed, or that time has passed.
fn wait(machine: &ProcessMachine, descriptors: &[Option<BorrowedFd<'_>>], limit: Option<Duration>) {
    let mut ready: Vec<_> = (descriptors.iter().flatten())
        .map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
        .collect();
    ready.push(machine.link.news.poll_fd());
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let _ = poll(&mut ready, limit.as_ref());
    machine.link.news.clear();
}

/// Returns whether somebody is at the door.
fn is_ready(door: Option<BorrowedFd<'_>>) -> bool {
    let Some(door) = door else { return false };
    let now = Timespec::default();
    poll(&mut [PollFd::from_borrowed_fd(door, PollFlags::IN)], Some(&now)).is_ok_and(|count| count > 0)
}

/// Has the guest stand. Returns whether it does: it may end instead.
fn stand(machine: &mut ProcessMachine) -> bool {
    loop {
        match machine.state() {
            State::Stands(_) => return true,
            State::Ended(_) => return false,
            State::Runs => machine.interrupt(),
        }
        wait(machine, &[], Some(AGAIN));
    }
}

/// A debugger has come. When it has gone, the guest goes on, but for one that stands when its debugger vanishes.
fn serve_one(port: &SharedPort, machine: &mut ProcessMachine) {
    let mut chunk = [0; CHUNK];
    // One that says nothing leaves the guest alone, and makes room for the next.
    let first = loop {
        let port = port.borrow();
        match port.read(&mut chunk) {
            Ok(count) if count > 0 => break count,
            Err(Errno::AGAIN | Errno::INTR) if !is_ready(port.door()) => {}
            _ => return,
        }
        wait(machine, &[port.client(), port.door()], None);
        if has_ended(machine) {
            return;
        }
    };
    machine.link.set_attended(true);
    if !stand(machine) {
        return;
    }
    let connection = Line {
        port: Rc::clone(port),
        link: Arc::clone(&machine.link),
        bytes: Vec::with_capacity(CHUNK),
    };
    let mut session = Session::new(machine, connection);
    let over = converse(port, &mut session, &mut chunk, first);
    let is_lost = over == Over::Lost;
    let stands = matches!(session.machine().state(), State::Stands(_));
    if is_lost && stands || !stand(session.machine()) {
        session.clear();
        return;
    }
    // It was stopped for the sake of what the debugger has left in its code.
    session.clear();
    machine.link.set_attended(false);
    machine.resume(&Resume::Continue { faults: false });
}

/// Goes on until the debugger has gone. The first bytes are there already.
fn converse(
    port: &SharedPort,
    session: &mut Session<'_, ProcessMachine, Line>,
    chunk: &mut [u8],
    first: usize,
) -> Over {
    let mut count = first;
    loop {
        for &byte in &chunk[..count] {
            if let Progress::Over(over) = session.receive(byte) {
                return over;
            }
        }
        let changes = session.machine().link.changes();
        if let Progress::Over(over) = session.look() {
            return over;
        }
        count = loop {
            let port = port.borrow();
            match port.read(chunk) {
                Ok(0) => return Over::Lost,
                Ok(count) => break count,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return Over::Lost,
            }
            port.turn_away();
            let machine = session.machine();
            if machine.link.changes() != changes || has_ended(machine) {
                break 0;
            }
            let is_due = machine.link.is_stop_wanted();
            wait(machine, &[port.client(), port.door()], is_due.then_some(AGAIN));
            if is_due {
                machine.interrupt();
            }
        };
        if count == 0 && has_ended(session.machine()) {
            // It was told, or has asked for nothing.
            let over = session.look();
            return if let Progress::Over(over) = over {
                over
            } else {
                Over::Ended
            };
        }
    }
}

/// To the debugger.
struct Line {
    port: SharedPort,
    link: Arc<Link>,
    bytes: Vec<u8>,
}

impl Connection for Line {
    type Error = Errno;

    fn write(&mut self, byte: u8) -> Result<(), Errno> {
        self.bytes.push(byte);
        if self.bytes.len() < CHUNK { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Errno> {
        let allowed = if self.link.ended().is_some() {
            LAST_WRITE_LIMIT
        } else {
            WRITE_LIMIT
        };
        let end = Instant::now() + allowed;
        let port = self.port.borrow();
        while !self.bytes.is_empty() {
            match port.write(&self.bytes) {
                Ok(count) => {
                    self.bytes.drain(..count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let rest = end.saturating_duration_since(Instant::now());
                    if rest.is_zero() || self.link.ended().is_some() && allowed != LAST_WRITE_LIMIT {
                        return Err(Errno::TIMEDOUT);
                    }
                    let client = port.client().ok_or(Errno::NOTCONN)?;
                    // The guest may end meanwhile, after which there is less time.
                    let limit = Timespec::try_from(rest.min(LAST_WRITE_LIMIT)).ok();
                    let _ = poll(&mut [PollFd::from_borrowed_fd(client, PollFlags::OUT)], limit.as_ref());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
