// SPDX-License-Identifier: MIT OR Apache-2.0
//! The board of the application beside it, with an oven that is simulated: `oven-host GUEST [TIME]`, where TIME is as
//! for
//! `pvhost run --time`, `fast` if it is not given.

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use pvhost::image::Image;
use pvhost::process::{Call, Exit, Time, Vm};

/// The one channel of the converter, and the one relay.
const THERMOMETER: u32 = 0;
const HEATER: u32 = 0;

/// In thousandths of a degree Celsius.
struct Oven {
    temperature: i32,
    is_heating: bool,
}

impl Oven {
    /// What the converter says after another sample's time: 0 at -50 degrees, and one more for each 50 thousandths.
    fn sample(&mut self) -> i32 {
        self.temperature += if self.is_heating {
            30
        } else {
            // It loses the more the warmer it is.
            -(self.temperature - 20_000) / 4_000
        };
        (self.temperature + 50_000) / 50
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let guest = arguments.next().ok_or("usage: oven-host GUEST [TIME]")?;
    let time = match arguments.next() {
        Some(time) => time.to_string_lossy().parse()?,
        None => Time::Fast,
    };
    let oven = Arc::new(Mutex::new(Oven {
        temperature: 20_000,
        is_heating: false,
    }));
    let (sampled, switched) = (Arc::clone(&oven), oven);
    let vm = Vm::builder(Image::open(guest.as_ref())?)
        .time(time)
        .provide("board_adc_read", move |_: &mut Call, channel: u32| match channel {
            THERMOMETER => sampled.lock().unwrap_or_else(PoisonError::into_inner).sample(),
            _ => -1,
        })
        .provide("board_relay_set", move |_: &mut Call, relay: u32, on: u32| {
            if relay == HEATER {
                switched.lock().unwrap_or_else(PoisonError::into_inner).is_heating = on != 0;
            }
        })
        .build()?;
    let finished = vm.run()?;
    if let Exit::Fault(fault) | Exit::Unbound(fault) = &finished.exit {
        eprintln!("{fault}");
    }
    match (finished.exit.status(), finished.lost) {
        (0, Some(lost)) => Err(format!("cannot write the guest's output: {lost}").into()),
        (status, _) => Ok(ExitCode::from(status)),
    }
}
