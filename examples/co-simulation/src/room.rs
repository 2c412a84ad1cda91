// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process with room for one guest: the other end of `child.rs`.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use pvhost::image::Image;
use pvhost::process::{Call, Console, Exit, Progress, Runner, Time, Vm};

/// The controller's line for applications of the lowest number.
const NEXT_SET_POINT: u32 = 2;

/// What the guest exchanges with the plant while it runs.
#[derive(Default)]
struct Signals {
    /// In micrometres.
    level: AtomicI32,
    /// In millionths.
    valve: AtomicI32,
}

/// Runs the guest as standard input says, to its end or the input's.
pub fn run(guest: &Path, command_line: &str, time: Time) -> Result<(), Box<dyn Error>> {
    let image = Image::open(guest)?;
    let mut output = Output::new()?;
    let console = Console::new(File::open("/dev/null")?, output.file.try_clone()?);
    let signals = Arc::new(Signals::default());
    let command_line = command_line.to_owned();
    let mut runner = Runner::new({
        let (inward, outward) = (Arc::clone(&signals), Arc::clone(&signals));
        move || {
            Vm::builder(image)
                .command_line(command_line)
                .time(time)
                .console(console)
                .provide("plant_level", move |_: &mut Call| inward.level.load(Ordering::Relaxed))
                .provide("plant_set_valve", move |_: &mut Call, opening: i32| {
                    outward.valve.store(opening, Ordering::Relaxed);
                })
        }
    })?;
    let line = runner.line(NEXT_SET_POINT)?;
    for request in io::stdin().lines() {
        let request = request?;
        let numbers = request.split(' ').map(str::parse).collect::<Result<Vec<i32>, _>>()?;
        let [ms, level, raise] = numbers[..] else {
            return Err(format!("{request:?} is no request").into());
        };
        signals.level.store(level, Ordering::Relaxed);
        if raise != 0 {
            line.raise();
        }
        let time = Duration::from_millis(ms.try_into()?);
        let progress = runner.run_until(time)?;
        let mut answer = output.lines()?;
        match &progress {
            Progress::Reached => answer += &format!("valve {}\n", signals.valve.load(Ordering::Relaxed)),
            Progress::Ended(finished) => {
                if let Exit::Fault(fault) | Exit::Unbound(fault) = &finished.exit {
                    eprintln!("{fault}");
                }
                answer += &format!("ended {}\n", finished.exit.status());
            }
        }
        io::stdout().write_all(answer.as_bytes())?;
        if matches!(progress, Progress::Ended(_)) {
            break;
        }
    }
    Ok(())
}

/// What the guest prints.
struct Output {
    file: File,
    /// How far it was read.
    read: u64,
    /// The beginning of a line.
    rest: String,
}

impl Output {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            read: 0,
            rest: String::new(),
        })
    }

    /// The lines that have become complete since it was asked last, for the other end.
    fn lines(&mut self) -> io::Result<String> {
        let mut bytes = [0; 4096];
        loop {
            let count = self.file.read_at(&mut bytes, self.read)?;
            if count == 0 {
                break;
            }
            self.read += count as u64;
            self.rest += &String::from_utf8_lossy(&bytes[..count]);
        }
        let complete = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.rest.drain(..complete).collect();
        Ok(lines.lines().map(|line| format!("said {line}\n")).collect())
    }
}
