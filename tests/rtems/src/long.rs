// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ticker for as long as one likes: no tick is lost, and no memory.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use paravirt_abi::line::TICK;
use paravirt_section_tests::scratch;
use pvhost::process::Exit;

use crate::installed::Installed;
use crate::run;

/// By how many bytes the host may grow while the guest ticks.
const GROWTH: u64 = 256 << 10;

/// Runs the ticker for that time, 3 s at least, and prints what was counted.
///
/// # Panics
/// If the guest finds ticks, expirations, clock or its memory wrong, if expirations were counted that were neither
/// delivered nor overruns, or if the host's memory grew after the first half of the time.
pub fn tick(duration: Duration) {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.app("long", folder.path());
    let seconds = duration.as_secs();
    let input = File::open("/dev/null").expect("Linux has it");
    let ended = AtomicBool::new(false);
    let ((finished, printed), growth) = thread::scope(|scope| {
        let watcher = scope.spawn(|| growth(duration / 2, &ended));
        let run = run::guest(
            &program,
            input,
            &seconds.to_string(),
            2 * duration + Duration::from_secs(20),
        );
        ended.store(true, Ordering::Relaxed);
        (run, watcher.join().expect("it only looks"))
    });
    assert!(matches!(finished.exit, Exit::Exit(0)), "{:?}\n{printed}", finished.exit);
    let stats = &finished.stats;
    let expirations = stats.expirations[TICK as usize];
    println!("{seconds} s of ticks; memory of the host grew by {growth} bytes\n{stats}");
    assert!(expirations >= seconds * 100, "{expirations} expirations");
    assert!(growth <= GROWTH, "memory of the host grew by {growth} bytes");
}

/// By how many bytes this process grows from a time after the start to the end.
fn growth(start: Duration, ended: &AtomicBool) -> u64 {
    thread::sleep(start);
    let first = resident();
    let mut most = first;
    while !ended.load(Ordering::Relaxed) {
        most = most.max(resident());
        thread::sleep(Duration::from_millis(100));
    }
    most - first
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kilobytes.expect("Linux tells") << 10
}
