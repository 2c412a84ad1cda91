// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_std]
#![no_main]

use core::time::Duration;

use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, cpu, println, start};

paravirt_bsp::image! { main: main, backends: [@BACKENDS@] }

/// Ticks that are counted.
const TICKS: u64 = 3;

/// Counts ticks; the argument is their distance in ms.
fn main() -> Result<(), Error> {
    let ms = start::arguments().next().and_then(|word| word.parse().ok()).unwrap_or(100);
    println!("Hello from @NAME@: {TICKS} ticks of {ms} ms");
    count(Duration::from_millis(ms))?;
    println!("done");
    Ok(())
}

/// Waits for the ticks of timer 1.
fn count(period: Duration) -> Result<(), Error> {
    let timer = Timer::new(1).ok_or(Error::NoSuchDevice)?;
    timer.start(period, period)?;
    cpu::idle_until(|_| timer.expirations() >= TICKS);
    timer.stop()
}

paravirt_bsp::test! {
    fn ticks_take_their_time() -> Result<(), Error> {
        let begin = paravirt_bsp::clock::Instant::now().as_nanos();
        count(Duration::from_millis(2))?;
        let passed = paravirt_bsp::clock::Instant::now().as_nanos() - begin;
        assert!(passed >= TICKS * 2_000_000, "{passed} ns");
        Ok(())
    }

    fn there_are_not_so_many_timers() {
        assert!(Timer::new(1).is_some());
        assert!(Timer::new(1000).is_none());
    }
}
