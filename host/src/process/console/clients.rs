// SPDX-License-Identifier: MIT OR Apache-2.0
//! A console to which clients come, and from which they go, while the guest runs.
//!
//! One thread has the port and does all that waits for clients. The vCPU's thread finds what it needs in memory: it
//! leaves the guest's output there and takes the clients' input. Where it has to wait for room, signals interrupt it,
//! as they do a write.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use paravirt_abi::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Console, Device};
use crate::process::lines::LineHandle;
use crate::process::lock;
use crate::process::port::Wakeup;
use crate::process::port::{Open, Port, Service};
use crate::process::run::TIMED_OUT;
use crate::process::signals::STATE;
use crate::terminal::GLANCE;

/// Bytes of input that may wait for the guest.
const CAPACITY: usize = 64 * 1024;
/// Bytes read and written at a time.
const CHUNK: usize = 16 * 1024;
/// How long a client that reads may take for what is left when somebody has asked for the end.
const GRACE: Duration = Duration::from_millis(200);
/// No signals.
const NOT_DRAINING: i32 = -1;
const DRAINING: i32 = -2;
/// How often is looked whether a client has read all, if nothing tells.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Clients {
    shared: Arc<Shared>,
    service: Service,
    /// Whether the vCPU's thread waits until a client has all ([`DRAINING`], [`NOT_DRAINING`]), or by which signal
    /// somebody has given that up.
    giving_up: AtomicI32,
}

/// What both threads have in hand.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The guest waits for its readers.
    waits: bool,
    /// For the thread.
    work: Wakeup,
    /// For the vCPU's thread, where it waits.
    news: Wakeup,
}

#[derive(Debug, Default)]
struct State {
    output: VecDeque<u8>,
    /// Bytes of output that were dropped.
    dropped: u64,
    input: VecDeque<u8>,
    /// Raised when input has come, from when the guest has first asked for some.
    line: Option<LineHandle>,
    /// Whether a client is there that takes output.
    has_reader: bool,
    /// Whether the vCPU's thread waits for room.
    is_full: bool,
    /// Whether nothing more is put out.
    is_ending: bool,
    /// Whether the thread is to end.
    is_cancelled: bool,
    /// Whether the thread has ended.
    is_done: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// On the vCPU's thread, with no lock taken: waits for news, or until a signal comes.
    fn wait(&self, limit: Option<Duration>) {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let _ = poll(&mut [self.news.poll_fd()], limit.as_ref());
        self.news.clear();
    }
}

impl Clients {
    pub(super) fn new(port: Open) -> io::Result<Self> {
        let shared = Shared {
            state: Mutex::default(),
            waits: false,
            work: Wakeup::new()?,
            news: Wakeup::new()?,
        };
        Ok(Self {
            shared: Arc::new(shared),
            service: Service::new(port),
            giving_up: AtomicI32::new(NOT_DRAINING),
        })
    }

    /// Leaves output for the clients; how much there was room for.
    fn put(&self, bytes: &[u8]) -> usize {
        let mut state = self.shared.state();
        let room = Console::KEPT - state.output.len();
        let keeps_all = state.has_reader || self.shared.waits;
        if keeps_all && room == 0 {
            state.is_full = true;
            return 0;
        }
        let most = if keeps_all { room } else { Console::KEPT };
        let count = bytes.len().min(most);
        let surplus = count.saturating_sub(room);
        state.output.drain(..surplus);
        state.dropped += surplus as u64;
        let was_empty = state.output.is_empty();
        state.output.extend(&bytes[..count]);
        if was_empty && state.has_reader {
            self.shared.work.set();
        }
        count
    }
}

impl Device for Clients {
    fn wait_for_reader(&mut self) {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.waits = true;
        }
    }

    fn place(&self) -> Option<&str> {
        Some(self.service.place())
    }

    fn call(&self) -> Option<u32> {
        self.service.call()
    }

    fn unread_output(&self) -> u64 {
        let state = self.shared.state();
        state.dropped + state.output.len() as u64
    }

    fn await_reader(&self) {
        if self.shared.waits
            && let Some(port) = self.service.port().as_mut()
        {
            while !STATE.stopping() && !port.admit() {
                let (mut ready, limit) = at_the_door(&**port);
                let _ = poll(&mut ready, limit.as_ref());
            }
        }
    }

    fn begin(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        self.service.begin("console", move |port| {
            shared.state().has_reader = port.client().is_some();
            Server {
                port,
                shared: &shared,
                is_leaving: false,
            }
            .serve();
            shared.state().is_done = true;
            shared.news.set();
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut taken = 0;
        while taken < bytes.len() && !STATE.stopping() {
            // Who asks for the guest's end interrupts the wait again and again.
            match self.put(&bytes[taken..]) {
                0 => self.shared.wait(None),
                count => taken += count,
            }
        }
        Ok(taken)
    }

    fn write_last(&self, bytes: &[u8]) {
        self.put(bytes);
    }

    fn read(&self, size: usize) -> Result<(Vec<u8>, bool), Error> {
        let mut state = self.shared.state();
        let was_full = state.input.len() >= CAPACITY;
        let count = size.min(state.input.len());
        let taken = state.input.drain(..count).collect();
        if was_full && count > 0 {
            self.shared.work.set();
        }
        Ok((taken, !state.input.is_empty()))
    }

    fn start(&self, line: LineHandle, _: bool) -> Result<(), Error> {
        let mut state = self.shared.state();
        if state.line.is_none() {
            state.line = Some(line.clone());
            let is_there = !state.input.is_empty();
            drop(state);
            if is_there {
                line.raise();
            }
        }
        Ok(())
    }

    fn has_clients(&self) -> bool {
        true
    }

    fn drain(&self, is_asked: bool, is_over: &dyn Fn() -> bool) -> Option<i32> {
        self.giving_up.store(DRAINING, Ordering::SeqCst);
        self.shared.state().is_ending = true;
        self.shared.work.set();
        let mut grace = None;
        let mut asked = None;
        while !self.shared.state().is_done {
            let code = self.giving_up.load(Ordering::SeqCst);
            asked = asked
                .or((code != DRAINING).then_some(code))
                .or(is_over().then_some(TIMED_OUT));
            let limit = (is_asked || asked.is_some()).then(|| {
                let end = grace.get_or_insert_with(|| Instant::now() + GRACE);
                end.saturating_duration_since(Instant::now())
            });
            if limit.is_some_and(|limit| limit.is_zero()) {
                break;
            }
            self.shared.wait(limit);
        }
        self.giving_up.store(NOT_DRAINING, Ordering::SeqCst);
        asked.filter(|_| self.unread_output() > 0)
    }

    fn give_up(&self, signal: i32) -> bool {
        let given_up = self
            .giving_up
            .compare_exchange(DRAINING, signal, Ordering::SeqCst, Ordering::SeqCst);
        given_up.is_ok()
    }

    fn finish(&self) {
        self.shared.state().is_cancelled = true;
        self.shared.work.set();
        self.service.finish();
    }
}

/// What to wait for, and how long at most, until the next client may be there.
fn at_the_door(port: &dyn Port) -> (Vec<PollFd<'_>>, Option<Timespec>) {
    match port.door() {
        Some(door) => (vec![PollFd::from_borrowed_fd(door, PollFlags::IN)], None),
        None => (Vec::new(), Timespec::try_from(GLANCE).ok()),
    }
}

/// The thread.
struct Server<'a> {
    port: Box<dyn Port>,
    shared: &'a Shared,
    /// The client takes no more output, but there may be input of it.
    is_leaving: bool,
}

/// What a client is asked for.
struct Wish {
    reads: bool,
    writes: bool,
    /// Whether nothing is left but that it reads what it has got.
    is_last: bool,
}

impl Server<'_> {
    fn serve(&mut self) {
        loop {
            if self.port.client().is_none() {
                if !self.wait_for_client() {
                    return;
                }
                continue;
            }
            let Some(wish) = self.wish() else {
                return;
            };
            if self.is_leaving && !wish.reads && !self.waits_for_guest() {
                self.dismiss();
                continue;
            }
            let ready = self.wait(&wish);
            // Of one that has gone, the system takes output and throws it away.
            if ready.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                self.leave();
            }
            if wish.reads && (self.is_leaving || ready.contains(PollFlags::IN)) {
                self.read();
            }
            if wish.writes && !self.is_leaving && ready.contains(PollFlags::OUT) {
                self.write();
            }
        }
    }

    /// Waits for the next client; `false`: this is the end.
    fn wait_for_client(&mut self) -> bool {
        {
            let state = self.shared.state();
            let is_needed = self.shared.waits && !(state.output.is_empty() && self.port.has_read_all());
            if state.is_cancelled || state.is_ending && !is_needed {
                return false;
            }
        }
        let (mut ready, limit) = at_the_door(&*self.port);
        ready.push(self.shared.work.poll_fd());
        let _ = poll(&mut ready, limit.as_ref());
        drop(ready);
        self.shared.work.clear();
        if self.port.admit() {
            self.is_leaving = false;
            self.shared.state().has_reader = true;
        }
        true
    }

    /// `None`: this is the end.
    fn wish(&mut self) -> Option<Wish> {
        let state = self.shared.state();
        let is_last = state.is_ending && state.output.is_empty();
        if state.is_cancelled || is_last && self.is_over() {
            return None;
        }
        Some(Wish {
            reads: state.input.len() < CAPACITY,
            writes: !state.output.is_empty(),
            is_last,
        })
    }

    /// Returns whether there is nothing more to do for the client when all is written.
    fn is_over(&self) -> bool {
        self.is_leaving && !self.shared.waits || self.port.has_read_all()
    }

    /// Returns whether the guest is to take input before the client that is leaving has written all of it. Not if it
    /// waits itself, for somebody who reads.
    fn waits_for_guest(&self) -> bool {
        let state = self.shared.state();
        state.line.is_some() && !state.is_ending && !state.is_full
    }

    /// Waits until something of that can be done; what of the client.
    fn wait(&self, wish: &Wish) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, wish.reads);
        flags.set(PollFlags::OUT, wish.writes && !self.is_leaving);
        flags.set(PollFlags::RDHUP, !self.is_leaving);
        let mut ready = vec![self.shared.work.poll_fd()];
        // It is told again and again that one has gone.
        if let Some(client) = self.port.client()
            && (wish.reads || !self.is_leaving)
        {
            ready.push(PollFd::from_borrowed_fd(client, flags));
        }
        let limit = wish.is_last.then(|| Timespec::try_from(LOOK).ok()).flatten();
        let _ = poll(&mut ready, limit.as_ref());
        self.shared.work.clear();
        ready.get(1).map_or(PollFlags::empty(), PollFd::revents)
    }

    fn read(&mut self) {
        let mut chunk = [0; CHUNK];
        let count = match self.port.read(&mut chunk) {
            Err(Errno::INTR) => return,
            Err(Errno::AGAIN) if !self.is_leaving => return,
            Ok(0) | Err(_) => return self.dismiss(),
            Ok(count) => count,
        };
        let mut state = self.shared.state();
        state.input.extend(&chunk[..count]);
        let line = state.line.clone();
        drop(state);
        if let Some(line) = line {
            line.raise();
        }
    }

    fn write(&mut self) {
        let mut state = self.shared.state();
        let (bytes, _) = state.output.as_slices();
        match self.port.write(&bytes[..bytes.len().min(CHUNK)]) {
            Ok(count) => {
                state.output.drain(..count);
            }
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => {
                drop(state);
                return self.leave();
            }
        }
        self.tell(state);
    }

    /// The client takes no more output.
    fn leave(&mut self) {
        self.is_leaving = true;
        let mut state = self.shared.state();
        state.has_reader = false;
        self.tell(state);
    }

    /// The client is gone.
    fn dismiss(&mut self) {
        self.leave();
        self.port.dismiss();
    }

    /// Tells a guest that waits for room that it may look again.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.is_full) {
            drop(state);
            self.shared.news.set();
        }
    }
}
