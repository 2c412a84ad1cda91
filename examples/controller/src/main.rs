// SPDX-License-Identifier: MIT OR Apache-2.0
//! A controller that keeps the level of a tank: every millisecond it reads the level and sets a valve, by functions of
//! its host's. `examples/co-simulation` is a program with the tanks.
//!
//! Arguments: `SET_POINTS GAIN INTEGRAL_GAIN MS`, as in `400000/600000 10 50 2000`. Each raise of the first
//! line for applications goes on to the next set point.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, cpu, l4_external_func, println, start};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: they ask nothing of their callers.
    unsafe extern "C" {
        /// The level of this controller's tank in micrometres.
        safe fn plant_level() -> i32;
        /// Opens this controller's valve that far, in millionths.
        safe fn plant_set_valve(opening: i32);
    }
}

const SAMPLE: Timer = Timer::new(1).expect("there are 8 timers");
const PERIOD: Duration = Duration::from_millis(1);
const NEXT_SET_POINT: Line = Line::new(FIRST_FREE).expect("there are 31 lines");
/// Samples from one line of output to the next.
const REPORT: u64 = 100;
/// A valve that is wholly open.
const OPEN: i64 = 1_000_000;

/// How often the line was raised.
static RAISED: AtomicUsize = AtomicUsize::new(0);

fn main() -> Result<i32, Error> {
    let Some((mut controller, samples)) = arguments() else {
        println!("usage: controller SET_POINT[/SET_POINT]... GAIN INTEGRAL_GAIN MS");
        return Ok(2);
    };
    NEXT_SET_POINT.attach(&|_| {
        RAISED.fetch_add(1, Ordering::Relaxed);
    })?;
    SAMPLE.start_periodic(PERIOD)?;
    for sample in 1..=samples {
        cpu::idle_until(|_| SAMPLE.expirations() >= sample);
        let level = plant_level();
        let valve = controller.valve(level, RAISED.load(Ordering::Relaxed));
        plant_set_valve(valve);
        if sample % REPORT == 0 {
            println!("{sample} ms, level {level} um, valve {valve}");
        }
    }
    Ok(0)
}

/// The controller, and how often it samples.
fn arguments() -> Option<(Controller, u64)> {
    let mut arguments = start::arguments();
    let set_points = arguments.next()?;
    set_points
        .split('/')
        .try_for_each(|number| number.parse::<i32>().map(drop))
        .ok()?;
    let mut number = || arguments.next()?.parse::<i32>().ok();
    let controller = Controller {
        set_points,
        gain: number()?.into(),
        integral_gain: number()?.into(),
        sum: 0,
    };
    let samples = number()?.try_into().ok()?;
    arguments.next().is_none().then_some((controller, samples))
}

/// A proportional-integral controller, in integers.
struct Controller {
    /// In micrometres, separated by `/`.
    set_points: &'static str,
    /// Millionths of the valve for each micrometre; negative for a valve that lets out.
    gain: i64,
    /// The same for each millisecond of each micrometre, in thousandths.
    integral_gain: i64,
    /// The sum of all deviations in micrometres times milliseconds.
    sum: i64,
}

impl Controller {
    /// How far the valve is to be open, where the set point of that index (or the last) counts.
    fn valve(&mut self, level: i32, index: usize) -> i32 {
        let mut set_points = self
            .set_points
            .split('/')
            .filter_map(|number| number.parse::<i32>().ok());
        let last = set_points.clone().next_back();
        let set_point = set_points.nth(index).or(last).unwrap_or(0);
        let deviation = i64::from(set_point) - i64::from(level);
        let sum = self.sum + deviation;
        let wanted = self.gain * deviation + self.integral_gain * sum / 1000;
        // A valve that can go no further is no reason to sum up more.
        if (0..=OPEN).contains(&wanted) {
            self.sum = sum;
        }
        wanted.clamp(0, OPEN) as i32
    }
}
