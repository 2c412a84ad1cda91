// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tasks of Embassy: one prints every 20 ms, one waits for console input until `two` comes or the input ends. The
//! processor idles while both wait.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_executor::{Spawner, raw};
use embassy_time::{Duration, Ticker};
use embedded_io_async::Read;
use paravirt_bsp::console::Console;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, cpu, embassy, println};
use static_cell::StaticCell;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// The timer of Embassy's time driver.
const TIMER: Timer = Timer::new(7).expect("there are 8 timers");

static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
/// Whether a task has something to do.
static WOKEN: AtomicBool = AtomicBool::new(false);
/// What a terminal in raw mode sends for Ctrl-D, and a serial line has as the end of its input.
const END_OF_TRANSMISSION: u8 = 4;
/// Tasks that have not ended.
static RUNNING: AtomicU32 = AtomicU32::new(0);

fn main() -> Result<(), Error> {
    embassy::init(TIMER)?;
    let executor: &'static raw::Executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    while RUNNING.load(Ordering::Relaxed) > 0 {
        // SAFETY: only here, so never within itself.
        unsafe { executor.poll() };
        if RUNNING.load(Ordering::Relaxed) > 0 {
            // A handler that wakes a task between the last look and the wait ends the wait at once.
            cpu::idle_until(|_| WOKEN.swap(false, Ordering::Relaxed));
        }
    }
    println!("both have ended");
    Ok(())
}

fn spawn(spawner: Spawner) {
    RUNNING.store(2, Ordering::Relaxed);
    spawner.spawn(blink().expect("it runs once"));
    spawner.spawn(listen().expect("it runs once"));
}

/// Embassy calls it when a task is woken, from handlers too.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    WOKEN.store(true, Ordering::Relaxed);
}

#[embassy_executor::task]
async fn blink() {
    let mut ticker = Ticker::every(Duration::from_millis(20));
    for count in 1..=3 {
        ticker.next().await;
        println!("tick {count}");
    }
    RUNNING.fetch_sub(1, Ordering::Relaxed);
}

#[embassy_executor::task]
async fn listen() {
    const LAST: &[u8] = b"two\n";
    let mut input = [0; 64];
    let mut length = 0;
    // A read may bring more than the line that is waited for. That of a full buffer is the end.
    loop {
        match Console.read(&mut input[length..]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
        let heard = &input[..length];
        if heard.contains(&END_OF_TRANSMISSION) || heard.windows(LAST.len()).any(|end| end == LAST) {
            break;
        }
    }
    RUNNING.fetch_sub(1, Ordering::Relaxed);
}
