// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another thread raises a line as fast as it can.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pvhost::process::{Builder, Call, LineHandle};

use crate::guest::{self, Arch, Outcome};

/// What a guest has to live through.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Length of the first storm.
    pub storm: Duration,
    /// Number of short bursts after it. Each ends with a last raise, which must not be lost, half of them while the guest is idle.
    pub bursts: u32,
}

/// What the storm's thread and the host functions share.
#[derive(Debug, Default)]
struct Sky {
    rages: AtomicBool,
    raises: AtomicU64,
}

impl Sky {
    /// Raises the line until `more` is false, and then once more. Raises are counted first, so that a handler which runs after a
    /// raise knows of it; the last one is announced before it comes, so that who waits for its handler waits long enough.
    fn rage(&self, line: &LineHandle, mut more: impl FnMut() -> bool) {
        while more() {
            self.raises.fetch_add(1, Ordering::SeqCst);
            line.raise();
        }
        self.raises.fetch_add(1, Ordering::SeqCst);
        self.rages.store(false, Ordering::SeqCst);
        line.raise();
    }
}

/// The storms, one after the other.
struct Storms {
    weather: Weather,
    begun: u32,
    sky: Arc<Sky>,
    thread: Option<JoinHandle<()>>,
}

impl Storms {
    /// Starts the next one; whether there was one.
    fn begin(&mut self, line: LineHandle) -> bool {
        self.wait();
        let Weather { storm, bursts } = self.weather;
        let number = self.begun;
        if number > bursts {
            return false;
        }
        self.begun += 1;
        self.sky.rages.store(true, Ordering::SeqCst);
        let sky = Arc::clone(&self.sky);
        self.thread = Some(thread::spawn(move || {
            if number == 0 {
                let end = Instant::now() + storm;
                sky.rage(&line, || Instant::now() < end);
            } else {
                // Of different lengths, so that the last raise meets the guest in different places.
                let mut left = number % 37;
                sky.rage(&line, || {
                    left = left.saturating_sub(1);
                    left > 0
                });
            }
        }));
        true
    }

    fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the storm's thread does not panic");
        }
    }
}

fn provide(builder: Builder, weather: Weather) -> Builder {
    let sky = Arc::new(Sky::default());
    let storms = Rc::new(RefCell::new(Storms {
        weather,
        begun: 0,
        sky: Arc::clone(&sky),
        thread: None,
    }));
    let (rages, raises) = (Arc::clone(&sky), sky);
    builder
        .provide("storm_begin", move |call: &mut Call, line: u32| {
            let line = call.line(line).expect("the guest knows its lines");
            u32::from(storms.borrow_mut().begin(line))
        })
        .provide("storm_rages", move |_: &mut Call| {
            u32::from(rages.rages.load(Ordering::SeqCst))
        })
        .provide("storm_raises", move |_: &mut Call| {
            raises.raises.load(Ordering::SeqCst)
        })
}

/// Sends a guest through it. The guest waits for the handler after every last raise and checks the depth of its stack. `None`:
/// skipped.
///
/// # Panics
/// If the guest waits for ever, or its stack grows.
#[must_use]
pub fn live_through(arch: Arch, weather: Weather) -> Option<Outcome> {
    let image = guest::open(arch, "storm")?;
    let limit = 2 * weather.storm + Duration::from_secs(60);
    let outcome = guest::run(image, limit, |builder| provide(builder, weather));
    print!(
        "{arch}: {} upcalls\n{}",
        outcome.stats.upcalls, outcome.printed
    );
    assert_eq!(outcome.number("bursts: "), u64::from(weather.bursts));
    Some(outcome)
}
