// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU's side: where the guest stands, and how it is stepped. In signal handlers, on its thread.
//!
//! The guest stands between two of its own instructions only. What the host has in its memory, stubs and tails, a
//! debugger does not see: a step into a host function is done behind it. A step that an interrupt comes before is done
//! when the interrupt's handlers are, which run as ever meanwhile: the frame they return by has the trap flag.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

use paravirt_host_core::layout::GUEST_END;

use super::hardware;
use super::hardware::Watches;
use super::link::{Link, Order};
use crate::debug::gdb::{Stop, Watched};
use crate::process::platform::Guest;
use crate::process::signals::Interrupted;

/// What the guest is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Run,
    /// Stand before its next instruction.
    Stop,
    /// Stand before its next instruction that is not in that range.
    Step(u64, u64),
    /// A step is put off until the handlers of an interrupt have returned.
    PutOff(u64, u64),
}

/// Of a guest that has a debugger, or waits for one.
#[derive(Debug)]
pub(in crate::process) struct Vcpu {
    link: Arc<Link>,
    wish: Cell<Wish>,
    /// What is looked at after each instruction, if anything is.
    watches: Cell<Option<Watches>>,
    /// What the processor has seen accessed, for which the guest has not stopped yet.
    accessed: Cell<Option<Watched>>,
    /// The last instruction that was stepped over.
    last: Cell<u64>,
    /// Whether that was one of the host's in the guest's memory.
    was_in_gates: Cell<bool>,
}

impl Vcpu {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            wish: Cell::new(Wish::Stop),
            watches: Cell::new(None),
            accessed: Cell::new(None),
            last: Cell::new(0),
            was_in_gates: Cell::new(false),
        }
    }

    /// Whether each instruction of the guest is to trap.
    pub(in crate::process) fn steps(&self) -> bool {
        matches!(self.wish.get(), Wish::Stop | Wish::Step(..)) || self.watches.get().is_some()
    }

    fn set_wish(&self, guest: &Guest, wish: Wish) {
        self.wish.set(wish);
        guest.platform().stepping.set_debugged(self.steps());
    }

    /// A signal has come, for whatever reason.
    pub(in crate::process) fn on_event(&self, guest: &Guest, interrupted: &mut Interrupted<'_>) {
        if !self.link.is_stop_wanted() {
            return;
        }
        if self.is_between(guest, interrupted) {
            let accessed = self.accessed.take();
            self.stop(guest, interrupted, accessed.map_or(Stop::Interrupted, Stop::Watch));
            return;
        }
        self.set_wish(guest, Wish::Stop);
        if !guest.in_host() {
            guest.platform().stepping.step_on(interrupted);
        }
    }

    /// An upcall has been delivered. What it has interrupted is stepped on behind it.
    pub(in crate::process) fn on_upcall(&self, guest: &Guest, interrupted: &mut Interrupted<'_>) {
        if let Wish::Step(start, end) = self.wish.get()
            && self.watches.get().is_none()
        {
            self.set_wish(guest, Wish::PutOff(start, end));
            guest.platform().stepping.go_on(interrupted);
        }
    }

    /// An instruction has trapped.
    pub(in crate::process) fn on_step(&self, guest: &Guest, interrupted: &mut Interrupted<'_>) {
        let instruction = interrupted.instruction();
        let last = self.last.replace(instruction);
        if let Wish::PutOff(start, end) = self.wish.get() {
            self.set_wish(guest, Wish::Step(start, end));
            guest.platform().stepping.step_on(interrupted);
        }
        if !self.steps() || instruction >= GUEST_END {
            return;
        }
        if guest.is_gate(instruction) {
            self.was_in_gates.set(true);
            return;
        }
        if self.was_in_gates.replace(false) && instruction == guest.page().upcall_entry() {
            self.on_upcall(guest, interrupted);
            if matches!(self.wish.get(), Wish::PutOff(..)) {
                return;
            }
        }
        forget_trap_flag(guest, last, interrupted);
        if !self.is_between(guest, interrupted) {
            return;
        }
        // SAFETY: what is watched was checked, and the guest's memory stays what it is.
        let changed = self.watches.get().and_then(|watches| unsafe { watches.changed() });
        if let Some(watched) = changed {
            self.stop(guest, interrupted, Stop::Watch(watched));
            return;
        }
        match self.wish.get() {
            Wish::Stop => {
                let accessed = self.accessed.take();
                self.stop(guest, interrupted, accessed.map_or(Stop::Interrupted, Stop::Watch));
            }
            Wish::Step(start, end) if !(start..end).contains(&instruction) => {
                self.stop(guest, interrupted, Stop::Stepped);
            }
            _ => {}
        }
    }

    /// The processor has seen an access to what is watched, by the guest or a host function.
    pub(in crate::process) fn on_access(&self, guest: &Guest, interrupted: &mut Interrupted<'_>, word: u64) {
        let watched = hardware::decode(word);
        if self.is_between(guest, interrupted) {
            self.stop(guest, interrupted, Stop::Watch(watched));
        } else {
            self.accessed.set(Some(watched));
            self.set_wish(guest, Wish::Stop);
            if !guest.in_host() {
                guest.platform().stepping.step_on(interrupted);
            }
        }
    }

    /// As above, by a handler, which has not returned.
    pub(in crate::process) fn on_access_in_handler(&self, word: u64) {
        self.accessed.set(Some(hardware::decode(word)));
        // This comes when it has.
        self.link.interrupt();
    }

    /// The processor has refused an instruction of the guest's, or come to a breakpoint. Returns whether the guest goes
    /// on, or ends for another reason; else it is a fault of the guest's.
    pub(in crate::process) fn on_fault(&self, guest: &Guest, interrupted: &mut Interrupted<'_>, signal: i32) -> bool {
        if !self.link.is_attended() || !guest.is_running() {
            return false;
        }
        let stop = match signal {
            libc::SIGTRAP => Stop::Breakpoint,
            signal => Stop::Fault(signal as u8),
        };
        self.stop(guest, interrupted, stop)
    }

    /// Returns whether the guest could be interrupted here, and this is its own code.
    fn is_between(&self, guest: &Guest, interrupted: &Interrupted<'_>) -> bool {
        let frame = interrupted.frame();
        !guest.in_host() && guest.in_guest(&frame) && !guest.is_gate(frame.instruction)
    }

    /// The guest stands, until the debugger lets it go on. Returns whether it goes on, or is to end, and does not take
    /// the fault.
    fn stop(&self, guest: &Guest, interrupted: &mut Interrupted<'_>, stop: Stop) -> bool {
        let registers = interrupted.registers();
        let mut is_resumed = false;
        guest.platform().stand(|| {
            is_resumed = self.link.stand(
                |exchange| {
                    exchange.stop = stop;
                    exchange.registers = registers;
                },
                || guest.is_stopping(),
            );
        });
        if !is_resumed {
            // Whoever waits for the end leaves the guest.
            self.set_wish(guest, Wish::Run);
            return true;
        }
        let exchange = self.link.exchange();
        if exchange.registers != registers {
            interrupted.set_registers(&exchange.registers, &registers);
        }
        let mut watches = exchange.watches;
        // SAFETY: as above.
        unsafe { watches.note() };
        self.watches.set((!watches.is_empty()).then_some(watches));
        self.last.set(interrupted.instruction());
        self.was_in_gates.set(false);
        let (wish, goes_on) = match exchange.order {
            Order::Continue => (Wish::Run, true),
            Order::Fault => (Wish::Run, !matches!(stop, Stop::Fault(_))),
            Order::Step(start, end) => (Wish::Step(start, end), true),
            Order::Kill => {
                guest.stop(libc::SIGKILL);
                (Wish::Run, true)
            }
        };
        self.set_wish(guest, wish);
        if self.steps() {
            guest.platform().stepping.step_on(interrupted);
        } else {
            guest.platform().stepping.go_on(interrupted);
        }
        goes_on
    }
}

/// If the last instruction has put the flags on the stack: takes the trap flag out, which is the debugger's.
fn forget_trap_flag(guest: &Guest, last: u64, interrupted: &Interrupted<'_>) {
    const PUSHF: u8 = 0x9c;
    /// The second byte of the flags, where the trap flag is the lowest bit.
    const TRAP: u8 = 1;
    let memory = guest.memory();
    let mut byte = [0];
    if memory.executable(last) && memory.read_some(last, &mut byte) == 1 && byte[0] == PUSHF {
        let at = interrupted.frame().stack.wrapping_add(1);
        if memory.read_some(at, &mut byte) == 1 {
            // What cannot be written was not the stack.
            let _ = memory.write(at, &[byte[0] & !TRAP]);
        }
    }
}

/// An address as a pointer for the system.
pub(super) const fn pointer(address: u64) -> *mut c_void {
    address as *mut c_void
}
