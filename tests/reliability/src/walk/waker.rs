// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends an idle that nothing else would end: raises the guest's other line when a watched round stands still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pvhost::process::LineHandle;

/// Time without a step after which the guest counts as idle.
const STILL: Duration = Duration::from_micros(200);

/// What the watching thread looks at.
#[derive(Debug, Default)]
pub(super) struct Waker {
    line: OnceLock<LineHandle>,
    watching: AtomicBool,
    steps: AtomicU64,
    end: AtomicBool,
}

impl Waker {
    pub(super) fn set_line(&self, line: LineHandle) {
        self.line.get_or_init(|| line);
    }

    pub(super) fn set_watching(&self, watching: bool) {
        self.watching.store(watching, Ordering::SeqCst);
    }

    pub(super) fn count_step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }

    fn watch(&self) {
        let mut before = 0;
        while !self.end.load(Ordering::SeqCst) {
            thread::sleep(STILL);
            let steps = self.steps.load(Ordering::SeqCst);
            if self.watching.load(Ordering::SeqCst)
                && steps == before
                && let Some(line) = self.line.get()
            {
                line.raise();
            }
            before = steps;
        }
    }
}

/// The watching thread; it ends with this value.
pub(super) struct Watch {
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

pub(super) fn start(waker: &Arc<Waker>) -> Watch {
    let watching = Arc::clone(waker);
    Watch {
        waker: Arc::clone(waker),
        thread: Some(thread::spawn(move || watching.watch())),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.waker.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It only fails if the thread panicked, which was reported.
            let _ = thread.join();
        }
    }
}
