// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model of the interrupt protocol, explored to the last state: the guest's instructions as in `paravirt_bsp::irq`, `cpu` and
//! `upcall`, one line, a host that interrupts between any two of them, and another thread that raises at any time.
//!
//! All of the guest and the host's handlers run on one processor, so the model needs no memory order. It adds to the walk of the
//! real code, which raises once or twice in most rounds, on the process host: more raises, in every order, and hosts with an
//! interrupt flag of their own.

use std::collections::HashSet;

use Pc::*;

/// Where the code of a frame goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pc {
    /// `cpu::disable_interrupts`, what it protects, and `cpu::enable_interrupts`: a store and a test. Then the guest spins.
    MainDisable,
    MainProtected,
    MainStoreOn,
    MainTest,
    MainSpin,
    /// `irq::deliver`.
    DeliverTest,
    DeliverStoreOff,
    DeliverDispatch,
    DeliverStoreOn,
    /// `irq::dispatch`, and `open_host` at its end.
    DispatchTake,
    DispatchHandle,
    DispatchOpen,
    /// The upcall entry; its window is the test and the store that leads back.
    UpcallDispatch,
    UpcallStoreOn,
    UpcallTest,
    UpcallStoreOff,
}

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Interrupts at any time; with the flag off it leaves the line pending and no more (the process host).
    Process,
    /// Has a flag of its own, which the guest's entry leaves off when it found the virtual one off (in-guest backends).
    OwnFlag,
}

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    EnableDoesNotTest,
    DeliverDoesNotTestAgain,
    UpcallDoesNotTest,
    UpcallKeepsItsFrameInTheWindow,
    DispatchDoesNotOpenTheHost,
    HostInterruptsWhileOff,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    frames: Vec<Pc>,
    /// The vCPU page: virtual interrupt flag, the line's pending bit, the bit `HOST_MASKED`.
    on: bool,
    pending: bool,
    host_masked: bool,
    /// The host's own flag, and the line as the host sees it.
    open: bool,
    raised: bool,
    /// Raises to come.
    left: u8,
    /// Whether the handler has to run (again).
    owed: bool,
}

/// More frames than main, `deliver`, one upcall and `dispatch` have piled up.
const DEEPEST: usize = 4;

impl State {
    fn start(raises: u8) -> Self {
        Self {
            frames: vec![MainDisable],
            on: true,
            pending: false,
            host_masked: false,
            open: true,
            raised: false,
            left: raises,
            owed: false,
        }
    }

    fn go(&mut self, next: Pc) {
        self.leave();
        self.frames.push(next);
    }

    fn call(&mut self, next: Pc, callee: Pc) {
        self.go(next);
        self.frames.push(callee);
    }

    fn leave(&mut self) {
        self.frames.pop();
    }

    /// The guest's next instruction. `Ok(false)`: it only spins.
    fn step(&mut self, mistake: Mistake) -> Result<bool, &'static str> {
        let found = self.pending || self.host_masked;
        match *self.frames.last().ok_or("no frame")? {
            MainDisable => {
                self.on = false;
                self.go(MainProtected);
            }
            MainProtected => self.go(MainStoreOn),
            MainStoreOn => {
                self.on = true;
                self.go(MainTest);
            }
            MainTest if found && mistake != Mistake::EnableDoesNotTest => {
                self.call(MainSpin, DeliverTest);
            }
            MainTest => self.go(MainSpin),
            MainSpin => return Ok(false),
            DeliverTest if found => self.go(DeliverStoreOff),
            DeliverTest => self.leave(),
            DeliverStoreOff => {
                self.on = false;
                self.go(DeliverDispatch);
            }
            DeliverDispatch => self.call(DeliverStoreOn, DispatchTake),
            DeliverStoreOn => {
                self.on = true;
                if mistake == Mistake::DeliverDoesNotTestAgain {
                    self.leave();
                } else {
                    self.go(DeliverTest);
                }
            }
            DispatchTake => {
                let taken = std::mem::take(&mut self.pending);
                self.go(if taken { DispatchHandle } else { DispatchOpen });
            }
            DispatchHandle => {
                if self.on {
                    return Err("a handler began with interrupts on");
                }
                if matches!(self.frames[0], MainProtected | MainStoreOn) {
                    return Err("delivered while off");
                }
                self.owed = self.raised || self.pending;
                self.go(DispatchTake);
            }
            DispatchOpen if self.host_masked && mistake != Mistake::DispatchDoesNotOpenTheHost => {
                self.host_masked = false;
                self.open = true;
                self.go(DispatchTake);
            }
            DispatchOpen => {
                self.host_masked = false;
                self.leave();
            }
            UpcallDispatch => self.call(UpcallStoreOn, DispatchTake),
            UpcallStoreOn => {
                self.on = true;
                self.go(UpcallTest);
            }
            UpcallTest if found && mistake != Mistake::UpcallDoesNotTest => self.go(UpcallStoreOff),
            UpcallTest => self.leave(),
            UpcallStoreOff => {
                self.on = false;
                self.go(UpcallDispatch);
            }
        }
        Ok(true)
    }

    /// The host interrupts the guest, if it may.
    fn interrupt(&mut self, host: Host, mistake: Mistake) -> bool {
        if !self.raised || !self.open {
            return false;
        }
        self.raised = false;
        self.pending = true;
        if self.on || mistake == Mistake::HostInterruptsWhileOff {
            self.on = false;
            let in_window = matches!(self.frames.last(), Some(UpcallTest | UpcallStoreOff));
            if in_window && mistake != Mistake::UpcallKeepsItsFrameInTheWindow {
                self.leave();
            }
            self.frames.push(UpcallDispatch);
        } else if host == Host::OwnFlag {
            self.host_masked = true;
            self.open = false;
        }
        true
    }

    /// Another thread raises the line.
    fn raise(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.raised = true;
        self.owed = true;
        true
    }
}

/// Explores every state that can be reached; how many there are, or what is wrong in one.
fn explore(host: Host, mistake: Mistake) -> Result<usize, &'static str> {
    let start = State::start(4);
    let mut known = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        if state.frames.len() > DEEPEST {
            return Err("frames piled up");
        }
        let (mut stepped, mut interrupted, mut raised) =
            (state.clone(), state.clone(), state.clone());
        let moves = [
            (stepped.step(mistake)?, stepped),
            (interrupted.interrupt(host, mistake), interrupted),
            (raised.raise(), raised),
        ];
        if state.owed && moves.iter().all(|(happened, _)| !happened) {
            return Err("lost");
        }
        for (happened, next) in moves {
            if happened && known.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(known.len())
}

#[test]
fn no_interrupt_is_lost_or_early() {
    for host in [Host::Process, Host::OwnFlag] {
        let states = explore(host, Mistake::None).expect("the protocol is sound");
        println!("{host:?}: {states} states");
        assert!(states > 300, "all of the protocol was walked");
    }
}

#[test]
fn every_mistake_is_found() {
    use Mistake::*;
    let lost = [
        EnableDoesNotTest,
        DeliverDoesNotTestAgain,
        UpcallDoesNotTest,
    ];
    for host in [Host::Process, Host::OwnFlag] {
        for mistake in lost {
            assert_eq!(explore(host, mistake), Err("lost"), "{host:?}, {mistake:?}");
        }
        assert_eq!(
            explore(host, UpcallKeepsItsFrameInTheWindow),
            Err("frames piled up"),
            "{host:?}"
        );
        assert!(explore(host, HostInterruptsWhileOff).is_err(), "{host:?}");
    }
    let never_opened = explore(Host::OwnFlag, DispatchDoesNotOpenTheHost);
    assert_eq!(never_opened, Err("lost"));
}
