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
    /// Number of short bursts after it. Each ends with a last raise, which must not be lost, half of them while the
    /// guest is idle.
    pub bursts: u32,
}

/// What the storm's thread and the host functions share.
#[derive(Debug, Default)]
struct Sky {
    rages: AtomicBool,
    raises: AtomicU64,
}

impl Sky {
    /// Raises are counted first, so that a handler which runs after a raise knows of it.
    fn raise(&self, line: &LineHandle) {
        self.raises.fetch_add(1, Ordering::SeqCst);
        line.raise();
    }

    /// Raises the line for some time, and then once more. The last raise is announced before it comes, so that who
    /// waits for its handler waits long enough.
    fn rage(&self, line: &LineHandle, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.raise(line);
        }
        self.raises.fetch_add(1, Ordering::SeqCst);
        self.rages.store(false, Ordering::SeqCst);
        line.raise();
    }
}

/// The storms, one after the other.
struct Storms {
    weather: Weather,
    bursts_left: u32,
    sky: Arc<Sky>,
    thread: Option<JoinHandle<()>>,
}

impl Storms {
    fn begin(&mut self, line: LineHandle) {
        let (sky, time) = (Arc::clone(&self.sky), self.weather.storm);
        sky.rages.store(true, Ordering::SeqCst);
        self.thread = Some(thread::spawn(move || sky.rage(&line, time)));
    }

    /// Starts the next burst; its number of raises, 0 if there was none left.
    fn burst(&mut self, line: LineHandle) -> u32 {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the storm's thread does not panic");
        }
        if self.bursts_left == 0 {
            return 0;
        }
        self.bursts_left -= 1;
        // Of different lengths, so that the last raise meets the guest in different places.
        let length = 1 + self.bursts_left % 37;
        let sky = Arc::clone(&self.sky);
        self.thread = Some(thread::spawn(move || {
            for _ in 0..length {
                sky.raise(&line);
            }
        }));
        length
    }
}

fn provide(builder: Builder, weather: Weather) -> Builder {
    let sky = Arc::new(Sky::default());
    let storms = Rc::new(RefCell::new(Storms {
        weather,
        bursts_left: weather.bursts,
        sky: Arc::clone(&sky),
        thread: None,
    }));
    let bursts = Rc::clone(&storms);
    let (rages, raises) = (Arc::clone(&sky), sky);
    let handle = |call: &Call, line| call.line(line).expect("the guest knows its lines");
    builder
        .provide("storm_begin", move |call: &mut Call, line: u32| {
            storms.borrow_mut().begin(handle(call, line));
        })
        .provide("storm_burst", move |call: &mut Call, line: u32| {
            bursts.borrow_mut().burst(handle(call, line))
        })
        .provide("storm_rages", move |_: &mut Call| {
            u32::from(rages.rages.load(Ordering::SeqCst))
        })
        .provide("storm_raises", move |_: &mut Call| raises.raises.load(Ordering::SeqCst))
}

/// Sends a guest through it. The guest waits for the handler after every last raise and checks the depth of its stack.
///
/// # Panics
/// If the guest waits for ever, or its stack grows.
#[must_use]
pub fn live_through(arch: Arch, weather: Weather) -> Outcome {
    let image = guest::open(arch, "storm");
    let limit = 2 * weather.storm + Duration::from_secs(60);
    let outcome = guest::run(image, limit, |builder| provide(builder, weather));
    print!("{arch}: {} upcalls\n{}", outcome.stats.upcalls, outcome.printed);
    assert_eq!(outcome.number("bursts: "), u64::from(weather.bursts));
    outcome
}
