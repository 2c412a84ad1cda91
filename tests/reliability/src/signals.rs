// SPDX-License-Identifier: MIT OR Apache-2.0
//! A signal sent at every instruction of the paths on which it could be lost, to a guest as an ordinary Linux program.
//!
//! There the guest's own backend is the host with a flag of its own, the signal mask, and builds the frames of upcalls.
//! Each round, the guest `signals` goes a path under ptrace and its console's signal is sent at one instruction at
//! which it has not been sent before; then at two; then at a third in the window at the upcall's end. One round of a
//! kind is recorded by single steps, the others run to their instructions with breakpoints: nothing else interrupts the
//! guest, so it goes the same way each time.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Duration;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};
use pvhost::image::Image;
use test_support::need::{Need, User};
use test_support::trace::{Go, Stop, Traced};

use crate::guest::{self, Arch};

/// The signal of the guest's console. Any raises its line, where one of the timers finds what is due.
const SIGNAL: i32 = 29; // SIGIO
/// Where the guest's report has the number of signals that were sent.
const SENT: u64 = 28;
/// After that time the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

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

/// Addresses of the guest's.
struct Places {
    flag: u64,
    pending: u64,
    /// The window at the upcall's end, in which interrupts are on and a frame is still on the stack.
    window: Range<u64>,
}

impl Places {
    fn new(image: &Image) -> Self {
        let symbol = |name| image.symbols().address_of(name).expect(name);
        let page = symbol("__paravirt_vcpu");
        Self {
            flag: page + INTERRUPTS_ENABLED as u64,
            pending: page + PENDING as u64,
            window: symbol("__paravirt_upcall_window")..symbol("__paravirt_upcall_window_end"),
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
    /// Whether the guest sleeps, and so does not stand.
    asleep: bool,
    /// Address of the guest's report.
    report: u64,
}

impl Session {
    /// Lets the guest go on to the breakpoint before a path, and tells it whether to go that.
    fn begin(&mut self, path: usize, go: bool) -> io::Result<()> {
        let mut stop = Stop::Step;
        while stop == Stop::Step {
            self.program.go(Go::On, 0)?;
            stop = self.program.wait()?;
        }
        let mut registers = self.program.registers()?;
        assert_eq!(
            (stop, registers.rax),
            (Stop::Breakpoint, path as u64),
            "the guest begins a path"
        );
        let changed = self.report(registers.rdx & u64::from(u32::MAX))?.changed;
        assert_eq!(changed, 0, "registers changed in round {}", self.rounds);
        registers.rax = go.into();
        self.program.set_registers(registers)
    }

    /// Steps through a path, and sends the signal wherever `wants` says so for the number of instructions before and
    /// the address. The addresses, to the instruction that sleeps or the breakpoint, what was sent, and what the guest
    /// says.
    fn record(
        &mut self,
        path: usize,
        mut wants: impl FnMut(usize, u64) -> bool,
    ) -> io::Result<(Vec<u64>, Vec<Sent>, Report)> {
        let report = self.enter(path)?;
        let (mut trace, mut sent) = (Vec::new(), Vec::new());
        let mut stop = Stop::Step;
        while matches!(stop, Stop::Step | Stop::Handler) {
            let address = self.program.registers()?.rip;
            // A repeated string instruction is one instruction of many steps.
            if trace.last() != Some(&address) {
                if wants(trace.len(), address) {
                    sent.push(self.send(trace.len(), address)?);
                }
                trace.push(address);
            }
            stop = self.step(path)?;
        }
        let report = self.finish(path, stop, &mut sent, report)?;
        Ok((trace, sent, report))
    }

    /// Lets the guest go a path that has been recorded, and sends the signal at these instructions of the record, by
    /// number.
    fn round(&mut self, path: usize, at: &[usize], trace: &[u64]) -> io::Result<(Vec<Sent>, Report)> {
        let report = self.enter(path)?;
        let (mut sent, mut here) = (Vec::new(), 0);
        for &step in at {
            let address = trace[step];
            if here != step {
                let visits = trace[here..step].iter().filter(|&&met| met == address);
                self.go_to(path, address, visits.count())?;
            }
            let there = self.program.registers()?.rip;
            assert_eq!(there, address, "{}: it goes the same way", PATHS[path]);
            sent.push(self.send(step, address)?);
            if Some(&step) != at.last() {
                self.step(path)?;
                here = step + 1;
            }
        }
        let stop = self.go_on(path)?;
        let report = self.finish(path, stop, &mut sent, report)?;
        Ok((sent, report))
    }

    /// Begins a path; the address of the guest's report.
    fn enter(&mut self, path: usize) -> io::Result<u64> {
        self.begin(path, true)?;
        self.rounds += 1;
        self.report = self.program.registers()?.rdx & u64::from(u32::MAX);
        Ok(self.report)
    }

    /// Goes on to the breakpoint behind the path, with a signal for each time that the guest sleeps, and judges.
    fn finish(&mut self, path: usize, mut stop: Stop, sent: &mut Vec<Sent>, report: u64) -> io::Result<Report> {
        while stop == Stop::Asleep {
            let said = self.report(report)?;
            if said.seen != self.total {
                wrong(path, "slept though a signal was sent", sent, said);
            }
            sent.push(self.send_asleep()?);
            stop = self.go_on(path)?;
        }
        assert_eq!(stop, Stop::Breakpoint, "{}: {sent:x?}", PATHS[path]);
        let report = self.report(report)?;
        self.judge(path, sent, report)?;
        Ok(report)
    }

    /// Lets the guest go on to an instruction, past `visits` of it.
    fn go_to(&mut self, path: usize, address: u64, visits: usize) -> io::Result<()> {
        for left in (0..=visits).rev() {
            let byte = self.program.lay_breakpoint(address)?;
            let stop = self.go_on(path)?;
            self.program.lift_breakpoint(address, byte)?;
            let mut registers = self.program.registers()?;
            let there = (Stop::Breakpoint, address + 1);
            assert_eq!((stop, registers.rip), there, "{}: it goes the same way", PATHS[path]);
            registers.rip = address;
            self.program.set_registers(registers)?;
            if left > 0 {
                self.step(path)?;
            }
        }
        Ok(())
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
                Stop::Signal(SIGNAL) => signal = SIGNAL,
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
                Stop::Signal(SIGNAL) => signal = SIGNAL,
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

    fn signal(&mut self) -> io::Result<()> {
        self.total += 1;
        self.program.set_word(self.report + SENT, self.total)?;
        self.program.send(SIGNAL)
    }

    fn is_blocked(&self) -> io::Result<bool> {
        Ok(self.program.blocked()? & 1 << (SIGNAL - 1) != 0)
    }

    fn report(&self, address: u64) -> io::Result<Report> {
        let mut words = [0; 7];
        for (index, word) in (0..).zip(&mut words) {
            *word = self.program.word(address + 4 * index)?;
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

/// Goes one path with a signal at each of its instructions, and in its sleep. What was sent.
fn once(session: &mut Session, path: usize) -> io::Result<Vec<Sent>> {
    let (trace, mut all, _) = session.record(path, |_, _| false)?;
    for step in 0..trace.len() {
        all.extend(session.round(path, &[step], &trace)?.0);
    }
    Ok(all)
}

/// Goes one path with a signal at that instruction, and another at each one behind it. The others.
fn twice(session: &mut Session, path: usize, first: Sent) -> io::Result<Vec<Sent>> {
    let (trace, ..) = session.record(path, |step, _| step == first.step)?;
    let mut seconds = Vec::new();
    for second in first.step + 1..trace.len() {
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
    let (trace, ..) = session.record(REGISTERS, |step, _| two.contains(&step))?;
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

fn go_all(session: &mut Session) -> io::Result<()> {
    for (path, name) in PATHS.into_iter().enumerate() {
        let all = once(session, path)?;
        let off = all.iter().filter(|sent| !sent.on && !sent.asleep).count();
        println!("{name}: {} instructions, {off} with interrupts off", all.len());
        assert!(off < all.len(), "{name}: interrupts are on somewhere");
        match path {
            OFF_AND_ON => {
                let last = all.iter().rfind(|sent| !sent.on);
                twice(session, path, *last.expect("interrupts are off in it"))?;
            }
            REGISTERS => {
                let middle = all[all.len() / 2];
                let seconds = twice(session, path, middle)?;
                pile(session, middle, &seconds)?;
            }
            IDLE => assert!(all.iter().any(|sent| sent.asleep), "the guest sleeps"),
            _ => assert!(off > 0, "{name}: interrupts are off somewhere"),
        }
        session.begin(path, false)?;
    }
    Ok(())
}

/// Goes all paths.
///
/// # Panics
/// If a signal was lost, or was delivered twice or too early, or the guest was not as before afterwards.
pub fn check(arch: Arch) {
    let path = test_support::guest(arch, "signals");
    let places = Places::new(&guest::open(arch, "signals"));
    let mut command = Command::new(&path);
    // Input that does not come, and so raises nothing by itself.
    let (reader, _writer) = io::pipe().expect("a pipe");
    command.stdin(reader).stdout(Stdio::null());
    let program = match Traced::spawn(&mut command, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Need::User(User::Tracing).panic(&error.to_string())
        }
        program => program.expect("the guest can be traced"),
    };
    let mut session = Session {
        program,
        places,
        total: 0,
        rounds: 0,
        asleep: false,
        report: 0,
    };
    go_all(&mut session).expect("the guest can be traced");
    println!("{arch}: {} signals in {} rounds", session.total, session.rounds);
    session.program.go(Go::On, 0).expect("it stands");
    let end = session.program.wait().expect("it ends");
    assert!(matches!(end, Stop::Ended(status) if status.success()), "{end:?}");
}
