// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines against a model of sets, and against other threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;
use paravirt_abi::vcpu::HOST_MASKED;
use paravirt_vcpu::lines::Lines;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Attach(u32),
    Detach(u32),
    Mask(u32),
    Unmask(u32),
    Raise(u32),
    Latch(u32),
    Flush,
    /// The guest takes what is pending.
    Take,
}

/// Few lines, so that steps meet; the first and the last; and numbers that are none.
fn line() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => Just(0),
        6 => Just(3),
        3 => Just(LINES - 1),
        1 => Just(LINES),
        1 => Just(u32::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        line().prop_map(Step::Attach),
        line().prop_map(Step::Detach),
        line().prop_map(Step::Mask),
        line().prop_map(Step::Unmask),
        line().prop_map(Step::Raise),
        line().prop_map(Step::Latch),
        Just(Step::Flush),
        Just(Step::Take),
    ]
}

/// What the ABI says of each line, by sets.
#[derive(Default)]
struct Model {
    attached: BTreeSet<u32>,
    unmasked: BTreeSet<u32>,
    latched: BTreeSet<u32>,
    pending: BTreeSet<u32>,
}

impl Model {
    fn attach(&mut self, line: u32) -> Result<(), Error> {
        if !self.attached.insert(line) {
            return Err(Error::Busy);
        }
        self.unmask(line)
    }

    fn detach(&mut self, line: u32) -> Result<(), Error> {
        if !self.attached.remove(&line) {
            return Err(Error::NotAttached);
        }
        self.mask(line)
    }

    fn mask(&mut self, line: u32) -> Result<(), Error> {
        self.unmasked.remove(&line);
        if self.pending.remove(&line) {
            self.latched.insert(line);
        }
        Ok(())
    }

    fn unmask(&mut self, line: u32) -> Result<(), Error> {
        self.unmasked.insert(line);
        self.flush();
        Ok(())
    }

    fn raise(&mut self, line: u32) -> Result<(), Error> {
        self.latched.insert(line);
        self.flush();
        Ok(())
    }

    fn flush(&mut self) {
        let (taken, left) = (self.latched.iter()).partition(|line| self.unmasked.contains(line));
        self.pending.extend::<BTreeSet<u32>>(taken);
        self.latched = left;
    }
}

proptest! {
    #[test]
    fn lines_are_as_the_model_has_them(steps in prop::collection::vec(step(), 1..200)) {
        let (lines, word, mut model) = (Lines::new(), AtomicU32::new(HOST_MASKED), Model::default());
        let known = |line: u32, model: &mut dyn FnMut() -> Result<(), Error>| {
            if line < LINES { model() } else { Err(Error::NoSuchDevice) }
        };
        for step in steps {
            match step {
                Step::Attach(line) =>
                    prop_assert_eq!(lines.attach(&word, line), known(line, &mut || model.attach(line))),
                Step::Detach(line) =>
                    prop_assert_eq!(lines.detach(&word, line), known(line, &mut || model.detach(line))),
                Step::Mask(line) =>
                    prop_assert_eq!(lines.mask(&word, line), known(line, &mut || model.mask(line))),
                Step::Unmask(line) =>
                    prop_assert_eq!(lines.unmask(&word, line), known(line, &mut || model.unmask(line))),
                Step::Raise(line) =>
                    prop_assert_eq!(lines.raise(&word, line), known(line, &mut || model.raise(line))),
                Step::Latch(line) if line >= LINES =>
                    prop_assert_eq!(lines.latch(line), Err(Error::NoSuchDevice)),
                Step::Latch(line) => prop_assert_eq!(lines.latch(line), Ok(model.latched.insert(line))),
                Step::Flush => {
                    lines.flush(&word);
                    model.flush();
                }
                Step::Take => {
                    word.fetch_and(HOST_MASKED, Ordering::Relaxed);
                    model.pending.clear();
                }
            }
            let pending = model.pending.iter().fold(HOST_MASKED, |word, line| word | 1 << line);
            prop_assert_eq!(word.load(Ordering::Relaxed), pending);
            for line in [0, 3, LINES - 1, LINES] {
                let ready = model.unmasked.contains(&line)
                    && !model.latched.contains(&line)
                    && !model.pending.contains(&line);
                prop_assert_eq!(lines.is_ready(&word, line), ready);
            }
        }
    }
}

/// Whoever latched a line last is told that the vCPU is to look, or the vCPU takes the line afterwards.
#[test]
fn what_other_threads_latch_is_not_lost() {
    const ROUNDS: u32 = 1000;
    let (lines, word) = (Lines::new(), AtomicU32::new(0));
    let (bell, done) = (AtomicBool::new(false), AtomicBool::new(false));
    lines.attach(&word, 3).expect("free");
    lines.attach(&word, 5).expect("free");
    thread::scope(|scope| {
        let latch = |line| {
            for _ in 0..ROUNDS {
                if lines.latch(line) == Ok(true) {
                    bell.store(true, Ordering::SeqCst);
                }
                thread::yield_now();
            }
        };
        let others = [3, 5].map(|line| scope.spawn(move || latch(line)));
        let vcpu = scope.spawn(|| {
            let mut last = false;
            loop {
                // The last look is after all has been latched.
                let ended = done.load(Ordering::SeqCst);
                if bell.swap(false, Ordering::SeqCst) {
                    lines.mask(&word, 5).expect("a line");
                    assert_eq!(word.load(Ordering::SeqCst) & 1 << 5, 0, "masked");
                    lines.flush(&word);
                    assert_eq!(word.load(Ordering::SeqCst) & 1 << 5, 0, "masked");
                    lines.unmask(&word, 5).expect("a line");
                    word.store(0, Ordering::SeqCst);
                }
                if last {
                    return;
                }
                last = ended;
                thread::yield_now();
            }
        });
        for other in others {
            other.join().expect("it latches");
        }
        done.store(true, Ordering::SeqCst);
        vcpu.join().expect("it flushes");
    });
    assert_eq!(lines.latch(3), Ok(true), "nothing is left that nobody has been told of");
    assert_eq!(lines.latch(5), Ok(true), "nothing is left that nobody has been told of");
}
