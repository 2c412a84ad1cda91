// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host's event handlers call, on the vCPU's thread, at any instruction.

use core::sync::atomic::Ordering;

use paravirt_abi::line::TIMER;

use super::{End, EndKind, Guest, WIDTH};
use crate::explain::{Cause, Exception, Record, Registers};
use crate::gate;
use crate::timers::{Alarm, NEVER};
use crate::upcall::{self, Interrupted};

/// Alignment check, direction and trap flag: off in host code.
const UNWANTED_FLAGS: u64 = 1 << 18 | 1 << 10 | 1 << 8;

impl Guest {
    /// The alarm has come: expires timers, at once or when the host function ends.
    pub fn alarm(&self) {
        self.alarm_due.store(true, Ordering::SeqCst);
        if !self.in_host() {
            self.expire_if_due();
        }
    }

    /// Delivers what is latched, if guest code was interrupted with interrupts on; leaves the guest if that is asked for.
    /// Whether instruction pointer, stack pointer and flags were changed, with which the thread then is to go on. If not,
    /// whoever turns interrupts on, or the tail of the call, looks again.
    pub fn deliver(&self, interrupted: &mut Interrupted) -> bool {
        self.lines.flush(self.page.pending());
        let in_guest = self.memory.executable(interrupted.instruction);
        if self.is_stopping() {
            let may_leave = in_guest || gate::in_gate(interrupted.instruction);
            if may_leave {
                leave(interrupted);
            }
            return may_leave;
        }
        if !in_guest {
            return false;
        }
        match upcall::deliver(self.page, &self.memory, WIDTH, interrupted) {
            Ok(None) => false,
            Ok(Some(upcall)) => {
                interrupted.instruction = upcall.instruction;
                interrupted.stack = upcall.stack;
                true
            }
            Err(cause) => {
                let Interrupted {
                    instruction, stack, ..
                } = *interrupted;
                self.record(Record::at(cause, instruction, stack));
                leave(interrupted);
                true
            }
        }
    }

    /// Leaves the guest for a fault of its own, as [`Guest::deliver`] does. Whether it was one: otherwise it is the host's, and
    /// nothing is changed.
    pub fn fault(
        &self,
        interrupted: &mut Interrupted,
        general: [u64; 16],
        exception: Exception,
    ) -> bool {
        // After a wild jump only the stack is the guest's, or not even that. But then the address at fault is that of the
        // instruction, and no code of the host's is where none can be executed.
        let jumped = matches!(
            exception,
            Exception::BadAccess { address, .. } if address == interrupted.instruction
        );
        let is_of_guest = [interrupted.instruction, interrupted.stack]
            .into_iter()
            .any(|address| self.memory.access_at(address).is_some())
            || jumped;
        // What has to be left and cannot be is the host's, or it would be left for ever.
        if !is_of_guest || self.in_host() || gate::is_leaving(interrupted.instruction) {
            return false;
        }
        let registers = Registers {
            general,
            instruction: interrupted.instruction,
            flags: interrupted.flags,
        };
        self.record(Record::new(Cause::Exception(exception), registers));
        leave(interrupted);
        true
    }

    /// Records what the guest did; it is left by who calls this.
    pub(super) fn record(&self, record: Record) {
        let kind = if record.is_unbound() {
            EndKind::Unbound
        } else {
            EndKind::Fault
        };
        if self.request_end(End::new(kind, 0)) {
            self.fault.set(Some(record));
        }
    }

    pub(super) fn expire_if_due(&self) {
        if self.alarm_due.swap(false, Ordering::SeqCst) {
            self.timers.expire(self);
        }
    }
}

/// By the platform's clock and alarm. Not where a handler interrupts a host function.
impl Alarm for Guest {
    /// Guest time, which is far below 2^63 wherever the platform's began.
    fn now(&self) -> u64 {
        self.clock_now()
    }

    fn set(&self, deadline: u64) {
        self.platform.set_alarm(match deadline {
            NEVER => NEVER,
            _ => self.start.saturating_add(deadline),
        });
    }

    fn count(&self, timer: u32, expirations: u64) {
        self.page.count_expirations(timer as usize, expirations);
        // The line exists.
        let _ = self.lines.raise(self.page.pending(), TIMER);
    }
}

/// Has the handler continue where the guest is left.
fn leave(interrupted: &mut Interrupted) {
    interrupted.instruction = gate::leave_address();
    interrupted.flags &= !UNWANTED_FLAGS;
}
