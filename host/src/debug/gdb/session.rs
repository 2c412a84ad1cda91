// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one debugger does, from its first byte to its last.

use std::fmt;

use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStubBuilder, GdbStubError, MultiThreadStopReason};

use super::target::{Gone, Target};
use super::{Machine, Resume};

/// Bytes of the longest packet. What a debugger reads of the guest's file comes in pieces of it.
const PACKET: usize = 16 * 1024;

type Stub<'m, M, C> = GdbStubStateMachine<'static, Target<'m, M>, C>;

/// A debugger that has a machine in hand, which stands when it begins.
pub struct Session<'m, M: Machine, C: Connection> {
    target: Target<'m, M>,
    /// `None` only while it is being changed, and when it is over.
    stub: Option<Stub<'m, M, C>>,
}

/// What a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    On,
    /// It is over.
    Over(Over),
}

/// How a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The debugger has let the machine go: it runs on.
    Detached,
    /// The guest has ended, and the debugger was told.
    Ended,
    /// The debugger is gone, or what it says is not the protocol. Nothing was done about the machine.
    Lost,
}

impl<'m, M: Machine, C: Connection> Session<'m, M, C> {
    /// Begins one. The connection is what goes to the debugger.
    pub fn new(machine: &'m mut M, connection: C) -> Self {
        let mut target = Target::new(machine);
        let stub = GdbStubBuilder::new(connection).packet_buffer_size(PACKET).build().ok();
        let stub = stub.and_then(|stub| stub.run_state_machine(&mut target).ok());
        Self { target, stub }
    }

    /// The machine.
    pub const fn machine(&mut self) -> &mut M {
        self.target.machine()
    }

    /// A byte has come from the debugger.
    pub fn receive(&mut self, byte: u8) -> Progress {
        let next = match self.stub.take() {
            Some(GdbStubStateMachine::Idle(stub)) => stub.incoming_data(&mut self.target, byte),
            Some(GdbStubStateMachine::Running(stub)) => stub.incoming_data(&mut self.target, byte),
            other => {
                self.stub = other;
                return self.progress();
            }
        };
        let next = match next {
            Ok(GdbStubStateMachine::CtrlCInterrupt(stub)) => {
                self.target.machine().interrupt();
                stub.interrupt_handled(&mut self.target, None::<MultiThreadStopReason<u64>>)
            }
            next => next,
        };
        self.go_on(next)
    }

    /// The machine has changed its state: tells the debugger, if it waits for that.
    pub fn look(&mut self) -> Progress {
        match self.stub.take() {
            Some(GdbStubStateMachine::Running(stub)) => {
                let next = match self.target.stopped() {
                    Some(reason) => stub.report_stop(&mut self.target, reason),
                    None => Ok(stub.into()),
                };
                self.go_on(next)
            }
            other => {
                self.stub = other;
                self.progress()
            }
        }
    }

    fn go_on(&mut self, next: Result<Stub<'m, M, C>, GdbStubError<Gone, C::Error>>) -> Progress {
        self.stub = next.ok();
        let progress = self.progress();
        if progress != Progress::On {
            self.target.clear();
        }
        progress
    }

    fn progress(&mut self) -> Progress {
        let reason = match &self.stub {
            None => return Progress::Over(Over::Lost),
            Some(GdbStubStateMachine::Disconnected(stub)) => stub.get_reason(),
            Some(_) => return Progress::On,
        };
        Progress::Over(match reason {
            DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => Over::Ended,
            DisconnectReason::Disconnect => Over::Detached,
            DisconnectReason::Kill => {
                self.target.machine().resume(&Resume::Kill);
                Over::Ended
            }
        })
    }

    /// Takes back what the debugger has done to the machine, which stands.
    pub fn clear(&mut self) {
        self.target.clear();
    }
}

impl<M: Machine, C: Connection> fmt::Debug for Session<'_, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
