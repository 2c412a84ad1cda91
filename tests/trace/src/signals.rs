// SPDX-License-Identifier: MIT OR Apache-2.0
//! A signal sent at every instruction of the paths on which it could be lost.
//!
//! It raises a line of the guest `signals`: of one that is an ordinary Linux program that of the console, of one in the
//! process host that of its timers. In the first the guest's own backend is the host with a flag of its own, the signal
//! mask, and builds the frames of upcalls.
//!
//! Each round, the guest goes a path under ptrace and is sent the signal at one instruction at which it has not been
//! sent before; then at two; then at a third in the window at the upcall's end. On AArch64 it is one signal a round:
//! the machine is an emulated one, where many rounds take long. So none is sent there during the upcall that a signal
//! makes, or in the window at its end; but one is at each instruction of the handlers of a line that the guest raises.
//!
//! One round of a kind is recorded by single steps, the others run to their instructions with breakpoints: nothing else
//! interrupts the guest, so it goes the same way each time, but for what the host does by the clock. A round that went
//! another way counts for nothing but is judged like the others, and the guest goes again.

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::ops::Range;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::{Go, Stop, Traced};

/// Where the guest's report has the number of signals that were sent.
const SENT: u64 = 28;
/// Guests are below it, and all code of the process host but for stubs and tail above.
const GUEST_END: u64 = 1 << 32;
/// Of the host's instructions, those that are tried: so many on each side of the guest's own, as those of gates and of
/// the handler's beginning and end, and of the others one in so many, a prime. Most of them run with the signal
/// blocked, where one is as good as another.
const BORDER: usize = 40;
const SAMPLE: usize = 211;

/// Whether there are rounds with more than one signal.
const MORE: bool = cfg!(target_arch = "x86_64");
/// So often the guest goes a path that must be gone as in the round before, or as recorded.
const TRIES: usize = 10;

/// The guest's paths, by number.
const PATHS: [&str; 5] = [
    "off and on",
    "on with another line pending",
    "registers",
    "idle",
    "mask and unmask",
];
/// Number of the path that begins with interrupts off and has them on at its end.
const OFF_AND_ON: usize = 0;
/// Number of the path that is interrupted by upcalls only.
const REGISTERS: usize = 2;
/// Number of the path that sleeps.
const IDLE: usize = 3;

/// What is sent, and addresses of the guest's.
#[derive(Clone, Debug)]
pub struct Places {
    /// A signal of that number that is not sent here is kept from the guest, as those of the process host's own timer.
    signal: i32,
    flag: u64,
    pending: u64,
    window: Range<u64>,
}

impl Places {
    /// `page`: the vCPU's; `window`: that at the upcall's end, in which interrupts are on and a frame is still on the
    /// stack.
    #[must_use]
    pub const fn new(signal: i32, page: u64, window: Range<u64>) -> Self {
        Self {
            signal,
            flag: page + INTERRUPTS_ENABLED as u64,
            pending: page + PENDING as u64,
            window,
        }
    }
}

/// Where a signal is sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Number of instructions before it in the round.
    step: usize,
    address: u64,
    /// Whether interrupts were on.
    on: bool,
    /// Whether the signal was blocked.
    blocked: bool,
    asleep: bool,
}

/// What the guest says about a round, in the order of its `Report`.
#[derive(Clone, Copy, Debug)]
struct Report {
    calls: u32,
    early: u32,
    seen: u32,
    lowest: u32,
    highest: u32,
    left: u32,
    changed: u32,
}

/// The guest, and what it has been sent.
struct Session {
    program: Traced,
    places: Places,
    /// Signals since the start.
    total: u32,
    rounds: u64,
    /// Rounds that went another way than recorded.
    strayed: u64,
    /// Whether a signal that was sent has not come yet.
    owed: bool,
    /// Whether the guest sleeps, and so does not stand.
    asleep: bool,
    /// Address of the guest's report.
    report: u64,
}

impl Session {
    /// Lets the guest go on to the breakpoint before a path, and tells it whether to go that.
    fn begin(&mut self, path: usize, go: bool) -> io::Result<()> {
        let stop = self.go_on(path)?;
        let [number, report] = self.program.words()?;
        assert_eq!(
            (stop, number),
            (Stop::Breakpoint, path as u32),
            "the guest begins a path"
        );
        self.report = report.into();
        let changed = self.report()?.changed;
        assert_eq!(changed, 0, "registers changed in round {}", self.rounds);
        self.program.answer(go.into())
    }

    /// Steps through a path, and sends the signal wherever `wants` says so for the number of instructions before, until
    /// two rounds in a row were the same. The addresses, to the instruction that sleeps or the breakpoint, and what was
    /// sent.
    fn record(&mut self, path: usize, wants: impl Fn(usize) -> bool) -> io::Result<(Vec<u64>, Vec<Sent>)> {
        let mut before = Vec::new();
        for _ in 0..TRIES {
            let (trace, sent) = self.record_once(path, &wants)?;
            if trace == before {
                return Ok((trace, sent));
            }
            before = trace;
        }
        panic!("{}: it goes another way each time", PATHS[path]);
    }

    fn record_once(&mut self, path: usize, wants: impl Fn(usize) -> bool) -> io::Result<(Vec<u64>, Vec<Sent>)> {
        self.begin(path, true)?;
        self.rounds += 1;
        let (mut trace, mut sent) = (Vec::new(), Vec::new());
        let mut stop = Stop::Step;
        while matches!(stop, Stop::Step | Stop::Handler) {
            let address = self.program.instruction()?;
            // A repeated string instruction is one instruction of many steps.
            if trace.last() != Some(&address) {
                if wants(trace.len()) {
                    sent.push(self.send(trace.len(), address)?);
                }
                trace.push(address);
            }
            stop = self.step(path)?;
        }
        self.finish(path, stop, &mut sent)?;
        Ok((trace, sent))
    }

    /// Lets the guest go a path that has been recorded, and sends the signal at these instructions of the record, by
    /// number.
    fn round(&mut self, path: usize, at: &[usize], trace: &[u64]) -> io::Result<(Vec<Sent>, Report)> {
        for _ in 0..TRIES {
            if let Some(done) = self.try_round(path, at, trace)? {
                return Ok(done);
            }
            self.strayed += 1;
        }
        panic!("{}: it does not come to {at:?} of {trace:x?}", PATHS[path]);
    }

    /// The same, if it goes the same way.
    fn try_round(&mut self, path: usize, at: &[usize], trace: &[u64]) -> io::Result<Option<(Vec<Sent>, Report)>> {
        self.begin(path, true)?;
        self.rounds += 1;
        let (mut sent, mut here) = (Vec::new(), 0);
        for &step in at {
            let address = trace[step];
            if here != step {
                let visits = trace[here..step].iter().filter(|&&met| met == address);
                if let Some(stop) = self.go_to(path, address, visits.count())? {
                    self.finish(path, stop, &mut sent)?;
                    return Ok(None);
                }
            }
            let there = self.program.instruction()?;
            assert_eq!(there, address, "{}: it begins the same way", PATHS[path]);
            sent.push(self.send(step, address)?);
            if Some(&step) != at.last() {
                self.step(path)?;
                here = step + 1;
            }
        }
        let stop = self.go_on(path)?;
        let report = self.finish(path, stop, &mut sent)?;
        Ok(Some((sent, report)))
    }

    /// Goes on to the breakpoint behind the path, with a signal for each time that the guest sleeps, and judges.
    fn finish(&mut self, path: usize, mut stop: Stop, sent: &mut Vec<Sent>) -> io::Result<Report> {
        while stop == Stop::Asleep {
            let said = self.report()?;
            if said.seen != self.total {
                wrong(path, "slept though a signal was sent", sent, said);
            }
            sent.push(self.send_asleep()?);
            stop = self.go_on(path)?;
        }
        assert_eq!(stop, Stop::Breakpoint, "{}: {sent:x?}", PATHS[path]);
        let report = self.report()?;
        self.judge(path, sent, report)?;
        Ok(report)
    }

    /// Lets the guest go on to an instruction, past `visits` of it. Why it stands elsewhere, if it does not come there.
    fn go_to(&mut self, path: usize, address: u64, visits: usize) -> io::Result<Option<Stop>> {
        for left in (0..=visits).rev() {
            let laid = self.program.lay_breakpoint(address)?;
            let stop = self.go_on(path)?;
            assert_ne!(stop, Stop::Asleep, "{}: before {address:#x}", PATHS[path]);
            let is_there = self.program.lift_breakpoint(laid)?;
            if stop != Stop::Breakpoint || !is_there {
                return Ok(Some(stop));
            }
            if left > 0 {
                self.step(path)?;
            }
        }
        Ok(None)
    }

    /// Lets the guest go on to a breakpoint or its sleep.
    fn go_on(&mut self, path: usize) -> io::Result<Stop> {
        let mut signal = 0;
        loop {
            if self.asleep {
                self.asleep = false;
            } else {
                self.program.go(Go::On, signal)?;
            }
            signal = 0;
            match self.wait(path)? {
                Stop::Signal(number) => signal = self.take(number),
                Stop::Step | Stop::Handler => {}
                stop => return Ok(stop),
            }
        }
    }

    /// Lets the guest go on by one instruction, the first of a signal's handler if it gets one.
    fn step(&mut self, path: usize) -> io::Result<Stop> {
        let mut signal = 0;
        loop {
            self.program.go(Go::Step, signal)?;
            match self.wait(path)? {
                Stop::Signal(number) => signal = self.take(number),
                stop => return Ok(stop),
            }
        }
    }

    /// Only on the path that sleeps is looked whether it does, which takes longer.
    fn wait(&mut self, path: usize) -> io::Result<Stop> {
        if path != IDLE {
            return self.program.wait();
        }
        let stop = self.program.wait_or_sleep()?;
        self.asleep = stop == Stop::Asleep;
        Ok(stop)
    }

    fn send(&mut self, step: usize, address: u64) -> io::Result<Sent> {
        let sent = Sent {
            step,
            address,
            on: self.program.word(self.places.flag)? != 0,
            blocked: self.is_blocked()?,
            asleep: false,
        };
        self.signal()?;
        Ok(sent)
    }

    fn send_asleep(&mut self) -> io::Result<Sent> {
        self.signal()?;
        Ok(Sent {
            step: usize::MAX,
            address: 0,
            on: false,
            blocked: false,
            asleep: true,
        })
    }

    /// A signal has come; which one the guest is to get for it. Others than those sent here are the host's own.
    fn take(&mut self, signal: i32) -> i32 {
        if signal != self.places.signal || mem::take(&mut self.owed) {
            signal
        } else {
            0
        }
    }

    fn signal(&mut self) -> io::Result<()> {
        self.owed = true;
        self.total += 1;
        self.program.set_word(self.report + SENT, self.total)?;
        self.program.send(self.places.signal)
    }

    fn is_blocked(&self) -> io::Result<bool> {
        Ok(self.program.blocked()? & 1 << (self.places.signal - 1) != 0)
    }

    fn report(&self) -> io::Result<Report> {
        let mut words = [0; 7];
        for (index, word) in (0..).zip(&mut words) {
            *word = self.program.word(self.report + 4 * index)?;
        }
        let [calls, early, seen, lowest, highest, left, changed] = words;
        Ok(Report {
            calls,
            early,
            seen,
            lowest,
            highest,
            left,
            changed,
        })
    }

    /// At the end of a path everything has been delivered, and all is open.
    fn judge(&mut self, path: usize, sent: &[Sent], report: Report) -> io::Result<()> {
        let on = self.program.word(self.places.flag)? != 0;
        let pending = self.program.word(self.places.pending)?;
        let blocked = self.is_blocked()?;
        let count = sent.len();
        let faults = [
            (report.early > 0, "delivered while off"),
            (report.seen != self.total || pending != 0, "lost"),
            (report.calls as usize > count, "delivered twice"),
            (count > 0 && report.calls == 0, "never delivered"),
            (!on, "interrupts are off behind the path"),
            (blocked, "the signal is blocked behind the path"),
        ];
        if let Some((_, what)) = faults.into_iter().find(|(found, _)| *found) {
            wrong(path, what, sent, report);
        }
        Ok(())
    }
}

/// Ends the test: what is wrong once would be so in the rounds that follow.
fn wrong(path: usize, what: &str, sent: &[Sent], report: Report) -> ! {
    panic!("{}: {what}: sent {sent:x?}, {report:x?}", PATHS[path]);
}

/// The instructions of a record at which the signal is sent, by number: all but some of the host's.
fn chosen(trace: &[u64]) -> Vec<usize> {
    let is_border = |step: usize| {
        let around = step.saturating_sub(BORDER)..(step + BORDER + 1).min(trace.len());
        trace[around].iter().any(|&address| address < GUEST_END)
    };
    (0..trace.len())
        .filter(|&step| step % SAMPLE == 0 || is_border(step))
        .collect()
}

/// Goes one path with a signal at each of its instructions, and in its sleep. What was sent.
fn once(session: &mut Session, path: usize) -> io::Result<Vec<Sent>> {
    let (trace, mut all) = session.record(path, |_| false)?;
    print!("{}: of {} instructions ", PATHS[path], trace.len());
    for step in chosen(&trace) {
        all.extend(session.round(path, &[step], &trace)?.0);
    }
    Ok(all)
}

/// Goes one path with a signal at that instruction, and another at each one behind it. The others.
fn twice(session: &mut Session, path: usize, first: Sent) -> io::Result<Vec<Sent>> {
    let (trace, _) = session.record(path, |step| step == first.step)?;
    let mut seconds = Vec::new();
    for second in chosen(&trace).into_iter().filter(|&step| step > first.step) {
        let (sent, report) = session.round(path, &[first.step, second], &trace)?;
        let second = sent[1];
        if session.places.window.contains(&second.address) && report.lowest != report.highest {
            wrong(path, "frames pile up", &sent, report);
        }
        // It comes when the dispatcher, or the return from the first one's handler, opens the host's flag.
        if second.blocked && report.left > 0 {
            wrong(path, "left by the dispatcher", &sent, report);
        }
        seconds.push(second);
    }
    Ok(seconds)
}

/// Goes through an upcall that finds the line pending in the window at its end, with a third signal at each instruction
/// of that.
fn pile(session: &mut Session, first: Sent, seconds: &[Sent]) -> io::Result<()> {
    let window = session.places.window.clone();
    let entered = seconds
        .windows(2)
        .find(|pair| !window.contains(&pair[0].address) && window.contains(&pair[1].address));
    let two = [first.step, entered.expect("the upcall has a window")[0].step];
    let (trace, _) = session.record(REGISTERS, |step| two.contains(&step))?;
    let mut instructions = BTreeSet::new();
    for third in two[1] + 1..trace.len() {
        if !window.contains(&trace[third]) {
            continue;
        }
        instructions.insert(trace[third]);
        let at = [two[0], two[1], third];
        let (sent, report) = session.round(REGISTERS, &at, &trace)?;
        if report.lowest != report.highest {
            wrong(REGISTERS, "frames pile up", &sent, report);
        }
    }
    // A test, a jump, the return, and the store that turns interrupts off again.
    assert_eq!(instructions.len(), 4, "instructions of the window");
    Ok(())
}

/// Goes a path with more than one signal, after those that were sent one a round.
fn more(session: &mut Session, path: usize, all: &[Sent]) -> io::Result<()> {
    if path == OFF_AND_ON {
        let last = all.iter().rfind(|sent| !sent.on);
        twice(session, path, *last.expect("interrupts are off in it"))?;
    } else if path == REGISTERS {
        let middle = all[all.len() / 2];
        let seconds = twice(session, path, middle)?;
        pile(session, middle, &seconds)?;
    }
    Ok(())
}

fn go_all(session: &mut Session) -> io::Result<()> {
    for (path, name) in PATHS.into_iter().enumerate() {
        let all = once(session, path)?;
        let off = all.iter().filter(|sent| !sent.on && !sent.asleep).count();
        println!("at {}, {off} with interrupts off", all.len());
        assert!(off < all.len(), "{name}: interrupts are on somewhere");
        match path {
            IDLE => assert!(all.iter().any(|sent| sent.asleep), "the guest sleeps"),
            REGISTERS => {}
            _ => assert!(off > 0, "{name}: interrupts are off somewhere"),
        }
        if MORE {
            more(session, path, &all)?;
        }
        session.begin(path, false)?;
    }
    Ok(())
}

/// Goes all paths of a guest that stands before its first instruction, to its end.
///
/// # Errors
/// It cannot be traced.
///
/// # Panics
/// If a signal was lost, or was delivered twice or too early, or the guest was not as before afterwards.
pub fn check(program: Traced, places: Places) -> io::Result<()> {
    let mut session = Session {
        program,
        places,
        total: 0,
        rounds: 0,
        strayed: 0,
        owed: false,
        asleep: false,
        report: 0,
    };
    go_all(&mut session)?;
    println!(
        "{} signals in {} rounds, of which {} went another way than recorded",
        session.total, session.rounds, session.strayed
    );
    let end = session.go_on(0)?;
    assert!(matches!(end, Stop::Ended(status) if status.success()), "{end:?}");
    Ok(())
}
