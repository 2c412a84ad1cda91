// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host's event handlers call, on the vCPU's thread, at any instruction.

use core::sync::atomic::Ordering;

use paravirt_abi::line::TIMER;

use super::{End, EndKind, Guest, Platform};
use crate::fault::{AnyRegisters, CallSite, Cause, Exception, Record, SystemCall, SystemCallTable};
use crate::gate;
use crate::timers::{Alarm, NEVER};
use crate::upcall::{self, Interrupted};

impl<P: Platform> Guest<P> {
    /// The alarm has come: expires timers, at once or when the host function ends.
    pub fn alarm(&self) {
        self.alarm_due.store(true, Ordering::SeqCst);
        if !self.in_host() {
            self.expire_if_due();
        }
    }

    /// Delivers what is latched, if guest code was interrupted with interrupts on; leaves the guest if that is asked
    /// for. Whether instruction pointer, stack pointer and flags were changed, with which the thread then is to go on.
    /// If not, whoever turns interrupts on, or the tail of the call, looks again.
    pub fn deliver(&self, interrupted: &mut Interrupted) -> bool {
        self.lines.flush(self.page.pending());
        let in_guest = self.in_guest(interrupted);
        if self.is_stopping() {
            let Interrupted { instruction, stack, .. } = *interrupted;
            // Code of the other width is the guest's, too, and so is what a wild jump has led to.
            let may_leave =
                !self.in_host() && (self.memory.executable(instruction) || !gate::is_hosts(instruction, stack));
            if may_leave {
                interrupted.leave();
            }
            return may_leave;
        }
        if !in_guest {
            return false;
        }
        match upcall::deliver(self.page, &self.memory, self.width, interrupted) {
            Ok(None) => false,
            Ok(Some(upcall)) => {
                self.upcall_counter().fetch_add(1, Ordering::Relaxed);
                interrupted.instruction = upcall.instruction;
                interrupted.stack = upcall.stack;
                true
            }
            Err(cause) => {
                let Interrupted { instruction, stack, .. } = *interrupted;
                self.record(Record::at(cause, instruction, stack));
                interrupted.leave();
                true
            }
        }
    }

    /// Leaves the guest for a fault of its own, as [`Guest::deliver`] does. Returns whether it was one: otherwise it is
    /// the host's, and nothing is changed.
    pub fn fault(&self, interrupted: &mut Interrupted, registers: AnyRegisters, exception: Exception) -> bool {
        if !self.is_running() {
            return false;
        }
        self.record(Record::new(Cause::Exception(exception), registers));
        interrupted.leave();
        true
    }

    /// Returns whether a fault now is the guest's.
    #[must_use]
    pub fn is_running(&self) -> bool {
        // Where neither a host function runs nor the guest is being left, it is the guest that ran, wherever a wild
        // jump or a wild stack has led it. What has to be left and cannot be is the host's, or it would be left for
        // ever.
        !self.in_host() && gate::can_leave()
    }

    /// Ends the guest for a system call that was stopped. Returns whether the guest itself made it, and is left as by
    /// [`Guest::fault`]: otherwise a host function did, which is to go on without, and the guest is left when it
    /// returns.
    pub fn system_call(
        &self,
        interrupted: &mut Interrupted,
        registers: AnyRegisters,
        number: u32,
        table: SystemCallTable,
        site: CallSite,
    ) -> bool {
        let call = SystemCall {
            number,
            table,
            site,
            last_call: self.last_call(),
        };
        self.record(Record::of_system_call(call, registers));
        if self.in_host() {
            return false;
        }
        interrupted.leave();
        true
    }

    /// Returns whether code of the guest was interrupted at which it can be interrupted: of its own width. Of a 32-bit
    /// guest of a 64-bit host, the landings are the host's already.
    #[must_use]
    pub fn in_guest(&self, interrupted: &Interrupted) -> bool {
        self.memory.executable(interrupted.instruction) && interrupted.is_of(self.width, P::CODE_32)
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

    #[inline]
    pub(super) fn expire_if_due(&self) {
        // Mostly for nothing, so that first it is only read. A handler that comes between sets it, and nobody else
        // clears it.
        if self.alarm_due.load(Ordering::Relaxed) {
            self.expire();
        }
    }

    #[cold]
    #[inline(never)]
    fn expire(&self) {
        self.alarm_due.store(false, Ordering::SeqCst);
        self.timers.expire(self);
    }
}

/// By the platform's clock and alarm. Not where a handler interrupts a host function.
impl<P: Platform> Alarm for Guest<P> {
    /// Guest time, which is far below 2^63 wherever the platform's began.
    fn now(&self) -> u64 {
        self.pv_clock_now()
    }

    fn set(&self, deadline: u64) {
        self.platform.set_alarm(match deadline {
            NEVER => NEVER,
            _ => self.start_time.saturating_add(deadline),
        });
    }

    fn count(&self, timer: u32, due: u64, expirations: u64) {
        self.page.count_expirations(timer as usize, expirations);
        self.overruns.fetch_add(expirations - 1, Ordering::Relaxed);
        // The line exists.
        let _ = self.lines.raise(self.page.pending(), TIMER);
        P::expired(self, timer, due, expirations);
    }
}
