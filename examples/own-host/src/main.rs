// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host program with host functions of its own, for the guest `own-function`: `own-host GUEST`.

use std::error::Error;
use std::process::ExitCode;

use pvhost::image::Image;
use pvhost::process::{Call, Exit, GuestPtr, GuestUsize, Vm};

const NAME: &[u8] = b"demonstration board";
/// In thousandths of a degree Celsius, one for each sensor.
const TEMPERATURES: [i32; 3] = [21_500, 48_062, 19_999];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let guest = std::env::args_os().nth(1).ok_or("usage: own-host GUEST")?;
    let vm = Vm::builder(Image::open(guest.as_ref())?)
        .provide("board_temperature", |_: &mut Call, sensor: u32| {
            TEMPERATURES.get(sensor as usize).copied().unwrap_or(-1)
        })
        .provide(
            "board_name",
            |call: &mut Call, buffer: GuestPtr<u8>, length: GuestUsize| {
                let length = NAME.len().min(length.0 as usize);
                call.write_bytes(buffer, &NAME[..length]).map(|()| length)
            },
        )
        .provide("board_mean", |_: &mut Call, a: f64, b: f64| (a + b) / 2.0)
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
